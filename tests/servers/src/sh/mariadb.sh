#!/bin/sh -e
# $1: mariadbd, $2: port, $3: the server's folder.
mariadbd=$1 port=$2 folder=$3

set --
if [ ! -e "$folder/data" ]; then
    mariadb-install-db --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal \
        --skip-test-db --skip-name-resolve
    set -- --init-file="$folder/secret"
fi
if [ -e "$folder/tls/server.pem" ]; then
    set -- "$@" --ssl-cert="$folder/tls/server.pem" --ssl-key="$folder/tls/server.key"
fi

# The socket's path is relative to the data: its length is limited.
exec "$mariadbd" --no-defaults --datadir="$folder/data" --bind-address=127.0.0.1 --port="$port" \
    --socket=socket --pid-file="$folder/pid" --skip-name-resolve \
    --character-set-server=utf8mb4 --innodb-flush-log-at-trx-commit=0 --innodb-fast-shutdown=2 "$@"

#!/bin/sh -e
# $1: PostgreSQL's bin folder, $2: port, $3: the server's folder.
bin=$1 port=$2 folder=$3

if [ -e "$folder/data" ]; then
    exec "$bin/postgres" -D "$folder/data"
fi

locale=C
if locale -a 2>/dev/null | grep -qi '^c\.utf'; then locale=C.UTF-8; fi

"$bin/initdb" -D "$folder/data" -U postgres --auth=scram-sha-256 --pwfile="$folder/secret" \
    -E UTF8 --locale="$locale" --no-sync

# Durability is of no use to data that is thrown away, and shared memory in files goes with the folder.
cat >>"$folder/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
dynamic_shared_memory_type = mmap
END

if [ -e "$folder/tls/server.pem" ]; then
    cat >"$folder/data/tls.conf" <<END
ssl = on
ssl_cert_file = '$folder/tls/server.pem'
ssl_key_file = '$folder/tls/server.key'
END
    echo "include_if_exists = 'tls.conf'" >>"$folder/data/postgresql.conf"
    # A build without OpenSSL refuses the setting.
    "$bin/postgres" -D "$folder/data" -C ssl >/dev/null || rm "$folder/data/tls.conf"
fi

exec "$bin/postgres" -D "$folder/data"

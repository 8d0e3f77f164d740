#!/bin/sh -e
# $1: a Python that has the stand-in's packages, $2: port, $3: the server's folder.
python=$1 port=$2 folder=$3

set -- --port "$port" --password-file "$folder/secret"
if [ -e "$folder/tls/server.pem" ]; then
    set -- "$@" --certificate "$folder/tls/server.pem" --key "$folder/tls/server.key"
fi
# Without TLS there is nothing to demand.
while read -r option || [ -n "$option" ]; do
    if [ -n "$option" ]; then set -- "$@" "$option"; fi
done <"$folder/options"

export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
exec "$python" -m standin "$@"

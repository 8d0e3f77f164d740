#!/bin/sh -e
# $1: moto_server, $2: port, $3: the server's folder.
exec "$1" -H 127.0.0.1 -p "$2"

#!/bin/sh -e
# $1: a Python that has moto, $2: port, $3: the server's folder.
exec "$1" "$3/one_at_a_time.py" -H 127.0.0.1 -p "$2"

#!/bin/sh -e
# $1: the program, $2: port, $3: the server's folder. Comes before the server's own script.
# Makes tls/ca.pem, server.pem and server.key. The authority's key is thrown away once it has signed.
if [ ! -e "$3/tls" ] && command -v openssl >/dev/null; then
    mkdir -m 700 "$3/tls"
    cd "$3/tls"
    cat >openssl.cnf <<'END'
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
END
    export OPENSSL_CONF="$PWD/openssl.cnf"
    new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    # shellcheck disable=SC2086 # a list of words
    openssl req -x509 $new -keyout ca.key -out ca.pem -days 7 -extensions authority -subj '/CN=dzconn throwaway'
    # shellcheck disable=SC2086
    openssl req $new -keyout server.key -out server.csr -subj '/CN=localhost'
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 \
        -extfile openssl.cnf -extensions server -out server.pem
    rm ca.key server.csr
    unset OPENSSL_CONF
    cd "$3"
fi

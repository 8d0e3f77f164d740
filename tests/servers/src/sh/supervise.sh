#!/bin/sh
# $1: where and how the server's folder is named; the rest: the command that becomes the server, in a session of its
# own. The folder is printed, and the command started once a line comes on standard input, with the folder as one more
# argument. Standard input is a pipe: it ends when the process that holds its other end does, in whatever way. Then the
# server is stopped and the folder removed. Fast is right: nobody needs the data.
umask 022
folder=$(mktemp -d "$1XXXXXX") || exit
shift
trap 'rm -rf "$folder"' EXIT
printf '%s\n' "$folder"
exec >&-
read -r _ || exit

cd "$folder" || exit
export HOME="$folder" TMPDIR="$folder"
if [ "$(id -u)" = 0 ]; then
    # Both servers refuse to run as root.
    user=$(id -u nobody) group=$(id -g nobody)
    chown -R "$user:$group" "$folder"
    set -- setpriv "--reuid=$user" "--regid=$group" --clear-groups -- "$@"
fi
exec 3<&0

{
    trap - EXIT
    while read -r _ <&3; do :; done
    rm -f held again
    tries=0
    until [ -e ended ] || [ "$tries" -ge 70 ]; do
        server=$(cat server)
        if [ "$tries" -lt 50 ]; then
            # TERM also reaches what prepares the data; QUIT is PostgreSQL's immediate shutdown.
            kill -s TERM -- "-$server" || kill -s TERM "$server"
            kill -s QUIT "$server"
        else
            kill -s KILL -- "-$server"
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
    # Here too, since this process goes on should somebody kill the other.
    rm -rf "$folder"
} &

# A server that is `held` when it ends is started once more when it is not any longer, `again`, on the same data.
while :; do
    setsid "$@" "$folder" </dev/null >>log 2>&1 3<&- &
    echo $! >server
    wait $!
    while [ -e held ]; do sleep 0.02; done
    [ -e again ] || break
    rm again
done
: >ended
exec 3<&-
wait

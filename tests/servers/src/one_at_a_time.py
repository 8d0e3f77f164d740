"""moto's server, which decides one request after another.

moto itself serves each request in a thread of its own and looks before it writes, with nothing in between that keeps the
others out: of two that create one secret at once, both are told that they did, each of a different one. AWS lets one win.
"""

import threading

from moto import server


class OneAtATime(server.DomainDispatcherApplication):
    turn = threading.Lock()

    def __call__(self, environ, start_response):
        with self.turn:
            answer = super().__call__(environ, start_response)
            try:
                return list(answer)
            finally:
                getattr(answer, "close", lambda: None)()


if __name__ == "__main__":
    # By this name the server finds what it makes its application of.
    if "DomainDispatcherApplication" not in server.main.__code__.co_names:
        raise SystemExit("this version of moto starts its server in another way")
    server.DomainDispatcherApplication = OneAtATime
    server.main()

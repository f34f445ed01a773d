"""An SMTP server on loopback for tests: STARTTLS, TLS, AUTH (PLAIN, LOGIN), and several ways to fail.

    with Server(how="", tls=None|"starttls"|"tls", context=..., login=("user", "password")) as server: ... server.port, server.mails

`how`: "refuse" (every recipient), "refuse NAME" (that one), "hang" (after the greeting), "silent" (no greeting), "drop" (in the message),
"no" (after the message). `auth`: which logins it offers.
"""

import base64
import socketserver
import ssl
import threading


class Mail:
    def __init__(self, sender, recipients, data, login, is_encrypted):
        self.sender, self.recipients, self.data, self.login, self.is_encrypted = sender, recipients, data, login, is_encrypted


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.talk()
        except (OSError, ConnectionError):
            pass
        finally:
            self.connection.close()

    def setup(self):
        self.connection = self.request

    def open(self, connection):
        self.connection = connection
        self.file = connection.makefile("rwb")

    def say(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def hear(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("gone, or a line without CR LF")
        return line[:-2].decode()

    def secure(self):
        self.open(self.server.context.wrap_socket(self.connection, server_side=True))
        self.is_encrypted = True

    def talk(self):
        self.is_encrypted, self.login, self.sender, self.recipients = False, None, None, []
        self.open(self.request)
        if self.server.tls == "tls":
            self.secure()
        if self.server.how == "silent":
            self.server.over.wait(60)
            return
        self.say("220 test ESMTP")
        if self.server.how == "hang":
            self.server.over.wait(60)
            return
        while self.answer(self.hear()):
            pass

    def answer(self, line):
        verb = line.upper()
        if verb.startswith("EHLO"):
            extras = ["SIZE 10000000", "8BITMIME"]
            if self.server.tls == "starttls" and not self.is_encrypted:
                extras.append("STARTTLS")
            if self.server.login is not None and (self.is_encrypted or self.server.tls is None):
                extras.append(f"AUTH {self.server.auth}")
            for extra in ["test"] + extras[:-1]:
                self.say("250-" + extra)
            self.say("250 " + extras[-1])
        elif verb == "STARTTLS":
            self.say("220 go on")
            self.secure()
        elif verb.startswith("AUTH"):
            self.authenticate(line)
        elif verb.startswith("MAIL FROM:"):
            if self.server.login is not None and self.login is None:
                self.say("530 log in first")
            else:
                self.sender = line[10:].split(">")[0].lstrip("<")
                self.say("250 ok")
        elif verb.startswith("RCPT TO:"):
            to = line[8:].split(">")[0].lstrip("<")
            if self.server.how == "refuse" or self.server.how == f"refuse {to}":
                self.say("550 nobody of that name")
            else:
                self.recipients.append(to)
                self.say("250 ok")
        elif verb == "DATA":
            return self.take()
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("500 what?")
        return True

    def authenticate(self, line):
        words = line.split()
        if words[1].upper() == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.hear())
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.hear()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.hear()).decode()
        if (user, password) == self.server.login:
            self.login = user
            self.say("235 welcome")
        else:
            self.say("535 wrong password")

    def take(self):
        self.say("354 go on")
        data = b""
        while True:
            line = self.file.readline()
            if self.server.how == "drop":
                self.connection.close()
                return False
            if not line.endswith(b"\r\n"):
                raise ConnectionError("gone, or a line without CR LF")
            if line == b".\r\n":
                break
            data += line[1:] if line.startswith(b".") else line
        if self.server.how == "no":
            self.say("554 not of you")
            return True
        self.server.mails.append(Mail(self.sender, self.recipients, data, self.login, self.is_encrypted))
        self.recipients = []
        self.say("250 taken")
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, how="", tls=None, context=None, login=None, auth="PLAIN LOGIN"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.how, self.tls, self.context, self.login, self.auth = how, tls, context, login, auth
        self.mails, self.over, self.port = [], threading.Event(), self.server_address[1]

    def handle_error(self, request, client_address):
        pass  # a client that trusts no certificate

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()


def make_certificate(directory, run):
    """A certificate for localhost and 127.0.0.1 that signs itself; returns its path and a server's context."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context

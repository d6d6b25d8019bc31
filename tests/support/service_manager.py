# Plays the part that systemd plays for a service: starts a program with a socket for its messages
# and, with a second one, a port that listens already; writes each message to a file.
#
#   service_manager.py FOLDER PROGRAM ARGS...
#
# FOLDER/messages has a line for each line of a message, FOLDER/pid the process, FOLDER/port the port.
# It ends with the status of the program.
import os
import select
import socket
import sys

folder, command = sys.argv[1], sys.argv[2:]
abstract = "@luapool-test-%d" % os.getpid()
messages = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
messages.bind("\0" + abstract[1:])
listening = socket.create_server(("127.0.0.1", 0))


def write(name, text):
    with open(os.path.join(folder, name + ".part"), "w") as f:
        f.write(text)
    os.rename(os.path.join(folder, name + ".part"), os.path.join(folder, name))


def start():
    os.environ.update(NOTIFY_SOCKET=abstract, WATCHDOG_USEC="400000", LISTEN_FDS="1",
                      LISTEN_FDNAMES="web", LISTEN_PID=str(os.getpid()),
                      WATCHDOG_PID=str(os.getpid()))
    port = os.dup(listening.fileno())  # above 3
    os.dup2(port, 3)
    os.execv(command[0], command)


pid = os.fork()
if pid == 0:
    start()
write("port", str(listening.getsockname()[1]))
write("pid", str(pid))
log = open(os.path.join(folder, "messages"), "a", buffering=1)
while True:
    ready, _, _ = select.select([messages], [], [], 0.05)
    if ready:
        log.write(messages.recv(4096).decode())
        continue
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status))

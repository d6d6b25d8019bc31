/* bindings/socket/unix.c: of luapool.socket.stream: servers on Unix sockets that only their own
 * user reaches, descriptors that travel over such a socket, and datagrams to one, as service
 * managers take them. Layer: bindings. */
#include "bindings/socket/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bindings/socket/class.h"
#include "runtime/loop/allow.h"

/* The address of a path, of which "@" as the first byte stands for the abstract names. Returns
 * its length, or 0 when it is too long or none. */
static socklen_t address_of(struct sockaddr_un *address, const char *path, size_t len) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (len == 0 || len >= sizeof address->sun_path || strlen(path) != len) return 0;
  memcpy(address->sun_path, path, len);
  if (*path == '@') address->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Whoever connects before the mode is set is refused, as nobody listens yet. */
static int listen_at(int fd, const struct sockaddr_un *address, socklen_t size) {
  if (bind(fd, (const struct sockaddr *)address, size) < 0) return -errno;
  if (chmod(address->sun_path, S_IRUSR | S_IWUSR) < 0) return -errno;
  return listen(fd, SOMAXCONN) < 0 ? -errno : 0;
}

/* stream.listen(path) -> server, of mode 0600; or nil and a message. */
static int unix_listen(lua_State *L) {
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  struct sockaddr_un address;
  lp_allow(L, LP_ALLOW_NET, path);
  socklen_t size = address_of(&address, path, len);
  if (size == 0) return lpb_socket_fail(L, -ENAMETOOLONG);
  lpb_socket *s = lpb_socket_class_push(L, LPB_SOCKET_SERVER, AF_UNIX, SOCK_STREAM);
  int rc = lpb_socket_create(s, AF_UNIX);
  if (rc == 0) rc = listen_at(s->fd, &address, size);
  return rc < 0 ? lpb_socket_fail(L, rc) : 1;
}

/* stream.folder(path) -> true; or nil and a message. Makes a folder that only we can enter; one
 * that is there already must be ours. */
static int unix_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat st;
  lp_allow(L, LP_ALLOW_WRITE, path);
  if (mkdir(path, S_IRWXU) < 0 && errno != EEXIST) return lpb_socket_fail(L, -errno);
  if (lstat(path, &st) < 0) return lpb_socket_fail(L, -errno);
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) return lpb_socket_fail(L, -EPERM);
  if ((st.st_mode & (S_IRWXG | S_IRWXO)) && chmod(path, S_IRWXU) < 0)
    return lpb_socket_fail(L, -errno);
  return lpb_socket_outcome(L, 0);
}

/* stream.notify(path, text) -> true; or nil and a message. Sends one datagram, and never waits.
 */
static int unix_notify(lua_State *L) {
  size_t len, n;
  const char *path = luaL_checklstring(L, 1, &len), *text = luaL_checklstring(L, 2, &n);
  struct sockaddr_un address;
  lp_allow(L, LP_ALLOW_NET, path);
  socklen_t size = address_of(&address, path, len);
  if (size == 0) return lpb_socket_fail(L, -ENAMETOOLONG);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;
  if (fd < 0) return lpb_socket_fail(L, -errno);
  if (sendto(fd, text, n, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0) rc = -errno;
  close(fd);
  return lpb_socket_outcome(L, rc);
}

typedef union one_fd {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
} one_fd;

/* stream.give(client, fd) -> 1; or nil and a message. The peer gets the descriptor, too; it
 * does not wait. */
static int unix_give(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  int fd = (int)luaL_checkinteger(L, 2);
  char byte = 'f';
  one_fd room = {{0}};
  struct iovec part = {&byte, 1};
  struct msghdr msg = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = room.bytes,
                       .msg_controllen = sizeof room.bytes};
  struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return lpb_socket_outcome(L, sendmsg(s->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0);
}

static int step_take(lpb_socket *s, lpb_socket_want *w) {
  char byte;
  one_fd room;
  struct iovec part = {&byte, 1};
  struct msghdr msg = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = room.bytes,
                       .msg_controllen = sizeof room.bytes};
  ssize_t n;
  do n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? UV_EAGAIN : -errno;
  const struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  if (!head || head->cmsg_type != SCM_RIGHTS) return -ECONNRESET;
  memcpy(&w->fd, CMSG_DATA(head), sizeof w->fd);
  int flags = fcntl(w->fd, F_GETFL);
  return flags < 0 || fcntl(w->fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int push_taken(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s;
  if (status < 0) return lpb_socket_fail(L, status);
  lua_pushinteger(L, w->fd);
  w->fd = -1;
  return 1;
}

/* stream.take(client) -> a descriptor that the peer has given, which never blocks; or nil and a
 * message. Nothing else may have been read from the socket. */
static int unix_take(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("descriptor");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  lpb_socket_want w = {.class = &class, .step = step_take, .push = push_taken, .fd = -1};
  return lpb_socket_do(L, s, &w);
}

/* stream.adopt(fd) -> a server on a descriptor that listens; or nil and a message. */
static int unix_adopt(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), listens = 0, type = 0;
  socklen_t size = sizeof type;
  struct sockaddr_storage own = {0};
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return lpb_socket_fail(L, -errno);
  size = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
    return lpb_socket_fail(L, -EINVAL);
  size = sizeof own;
  if (getsockname(fd, (struct sockaddr *)&own, &size) < 0) return lpb_socket_fail(L, -errno);
  lpb_socket *s = lpb_socket_class_push(L, LPB_SOCKET_SERVER, own.ss_family, type);
  s->fd = fd;
  return 1;
}

const luaL_Reg lpb_socket_unix_functions[] = {{"listen", unix_listen},
                                              {"folder", unix_folder},
                                              {"notify", unix_notify},
                                              {"give", unix_give},
                                              {"take", unix_take},
                                              {"adopt", unix_adopt},
                                              {NULL, NULL}};

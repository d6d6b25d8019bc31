/* bindings/http/upload.c: bodies of requests: texts, files, sources and forms. Layer: bindings.
 */
#include "bindings/http/upload.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bindings/http/source.h"

/* The body of a stream's request is copied, because the request returns to its caller, and the
 * plan leaves the stack, before the transfer ends. */
CURLcode lpb_http_upload_set_text(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  size_t len;
  const char *body = lua_tolstring(L, -1, &len);
  curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
  return curl_easy_setopt(t->easy, t->body.stream ? CURLOPT_COPYPOSTFIELDS : id, body);
}

static CURLcode read_from(lpb_http_transfer *t, curl_read_callback read,
                          curl_seek_callback seek, void *of) {
  CURL *e = t->easy;
  t->uploads = true;
  curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(e, CURLOPT_READFUNCTION, read);
  curl_easy_setopt(e, CURLOPT_READDATA, of);
  curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek);
  curl_easy_setopt(e, CURLOPT_SEEKDATA, of);
  return curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, t->upload_size);
}

/* --- files --- */

/* A file that has become shorter breaks the transfer off, for its length was announced. */
static size_t file_read(char *to, size_t size, size_t n, void *of) {
  lpb_http_transfer *t = of;
  size_t room = size * n;
  curl_off_t left = t->upload_size - (curl_off_t)ftello(t->upload);
  if (left <= 0) return 0;
  if ((curl_off_t)room > left) room = (size_t)left;
  size_t got = fread(to, 1, room, t->upload);
  return got ? got : CURL_READFUNC_ABORT;
}

static int file_seek(void *of, curl_off_t offset, int origin) {
  lpb_http_transfer *t = of;
  return fseeko(t->upload, (off_t)offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

CURLcode lpb_http_upload_set_file(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  struct stat st;
  t->upload = fopen(lua_tostring(L, -1), "rbe");
  if (!t->upload || fstat(fileno(t->upload), &st) < 0) return CURLE_READ_ERROR;
  t->upload_size = (curl_off_t)st.st_size;
  return read_from(t, file_read, file_seek, t);
}

/* --- sources --- */

CURLcode lpb_http_upload_set_length(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->upload_size = (curl_off_t)lua_tointeger(L, -1);
  return CURLE_OK;
}

CURLcode lpb_http_upload_set_source(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  lpb_http_source *s = lpb_http_source_at(L, -1);
  lpb_http_source_begin(s, &t->sources, lpb_http_transfer_send_more, t);
  return read_from(t, lpb_http_source_read, lpb_http_source_seek, s);
}

/* --- forms --- */

static CURLcode part_source(lua_State *L, lpb_http_transfer *t, curl_mimepart *part) {
  lpb_http_source *s = lpb_http_source_at(L, -1);
  lpb_http_source_begin(s, &t->sources, lpb_http_transfer_send_more, t);
  return curl_mime_data_cb(part, -1, lpb_http_source_read, lpb_http_source_seek, NULL, s);
}

static CURLcode part_data(lua_State *L, lpb_http_transfer *t, curl_mimepart *part) {
  (void)t;
  size_t len;
  const char *data = lua_tolstring(L, -1, &len);
  return curl_mime_data(part, data, len);
}

static CURLcode part_headers(lua_State *L, lpb_http_transfer *t, curl_mimepart *part) {
  (void)t;
  struct curl_slist *headers = NULL;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    CURLcode rc = lpb_http_add_line(&headers, lua_tostring(L, -1));
    lua_pop(L, 1);
    if (rc != CURLE_OK) {
      curl_slist_free_all(headers);
      return rc;
    }
  }
  return curl_mime_headers(part, headers, 1);
}

/* A row has one of `text` and `set`. `filename` comes after `file`, which sets a name of its
 * own. */
static const struct {
  const char *name;
  CURLcode (*text)(curl_mimepart *part, const char *text);
  CURLcode (*set)(lua_State *L, lpb_http_transfer *t, curl_mimepart *part);
} part_rows[] = {
    {"name", curl_mime_name, NULL},         {"data", NULL, part_data},
    {"file", curl_mime_filedata, NULL},     {"source", NULL, part_source},
    {"filename", curl_mime_filename, NULL}, {"type", curl_mime_type, NULL},
    {"headers", NULL, part_headers},
};

static CURLcode set_field(lua_State *L, lpb_http_transfer *t, curl_mimepart *part, size_t row) {
  if (part_rows[row].text) return part_rows[row].text(part, lua_tostring(L, -1));
  return part_rows[row].set(L, t, part);
}

/* The part is the table on top of the stack. */
static CURLcode add_part(lua_State *L, lpb_http_transfer *t) {
  curl_mimepart *part = curl_mime_addpart(t->form);
  CURLcode rc = part ? CURLE_OK : CURLE_OUT_OF_MEMORY;
  for (size_t i = 0; i < sizeof part_rows / sizeof *part_rows && rc == CURLE_OK; i++) {
    if (lua_getfield(L, -1, part_rows[i].name) != LUA_TNIL) rc = set_field(L, t, part, i);
    lua_pop(L, 1);
  }
  return rc;
}

CURLcode lpb_http_upload_set_parts(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  t->form = curl_mime_init(t->easy);
  if (!t->form) return CURLE_OUT_OF_MEMORY;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    CURLcode rc = add_part(L, t);
    lua_pop(L, 1);
    if (rc != CURLE_OK) return rc;
  }
  return curl_easy_setopt(t->easy, id, t->form);
}

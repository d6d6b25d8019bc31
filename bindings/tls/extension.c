/* bindings/tls/extension.c: names and extensions of certificates as tables, in LuaSec's shape.
 * What OpenSSL allocates is held by nobody while values are pushed but by a guard: a userdata
 * that frees it whatever raises. Layer: bindings. */
#include "bindings/tls/extension.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

static void set_string(lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void push_oid(lua_State *L, const ASN1_OBJECT *object) {
  char text[256];
  int len = OBJ_obj2txt(text, sizeof text, object, 1);
  lua_pushstring(L, len > 0 ? text : "");
}

static const char *name_of(const ASN1_OBJECT *object) {
  int nid = OBJ_obj2nid(object);
  return nid == NID_undef ? NULL : OBJ_nid2ln(nid);
}

/* Pushes the text in UTF-8. */
static void push_text(lua_State *L, const ASN1_STRING *text) {
  char bytes[512];
  unsigned char *utf8 = NULL;
  int len = ASN1_STRING_to_UTF8(&utf8, text);
  if (len < 0 || (size_t)len > sizeof bytes) {
    OPENSSL_free(utf8); /* long, or no text at all: as it is */
    ERR_clear_error();
    lua_pushlstring(L, (const char *)ASN1_STRING_get0_data(text),
                    (size_t)ASN1_STRING_length(text));
    return;
  }
  memcpy(bytes, utf8, (size_t)len); /* pushing may raise */
  OPENSSL_free(utf8);
  lua_pushlstring(L, bytes, (size_t)len);
}

void lpb_tls_extension_push_name(lua_State *L, const X509_NAME *name) {
  int n = X509_NAME_entry_count(name);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    lua_createtable(L, 0, 3);
    push_oid(L, object);
    lua_setfield(L, -2, "oid");
    set_string(L, "name", name_of(object));
    push_text(L, X509_NAME_ENTRY_get_data(entry));
    lua_setfield(L, -2, "value");
    lua_rawseti(L, -2, i + 1);
  }
}

/* ---- extensions ---- */

#define GUARD "luapool.tls.extension"

typedef struct guard {
  int nid;
  void *value;
} guard;

static int guard_gc(lua_State *L) {
  guard *g = luaL_checkudata(L, 1, GUARD);
  if (g->value && g->nid == NID_subject_alt_name) GENERAL_NAMES_free(g->value);
  if (g->value && g->nid == NID_ext_key_usage) EXTENDED_KEY_USAGE_free(g->value);
  if (g->value && g->nid == NID_crl_distribution_points) CRL_DIST_POINTS_free(g->value);
  g->value = NULL;
  return 0;
}

/* Appends the value on top to the list `key` of the table below it; pops it. */
static void append(lua_State *L, const char *key) {
  if (lua_getfield(L, -2, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, key);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

static void add_address(lua_State *L, const ASN1_OCTET_STRING *address) {
  char text[INET6_ADDRSTRLEN];
  int len = ASN1_STRING_length(address), family = len == 16 ? AF_INET6 : AF_INET;
  if (len != 4 && len != 16) return;
  lua_pushstring(L, inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text));
  append(L, "iPAddress");
}

/* Adds a name to the lists of the table on top. */
static void add_general(lua_State *L, const GENERAL_NAME *name) {
  static const struct {
    int type;
    const char *key;
  } texts[] = {
      {GEN_EMAIL, "rfc822Name"}, {GEN_DNS, "dNSName"}, {GEN_URI, "uniformResourceIdentifier"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (name->type != texts[i].type) continue;
    push_text(L, name->d.ia5);
    append(L, texts[i].key);
  }
  if (name->type == GEN_IPADD) add_address(L, name->d.iPAddress);
  if (name->type == GEN_DIRNAME) {
    lpb_tls_extension_push_name(L, name->d.directoryName);
    append(L, "directoryName");
  }
  if (name->type == GEN_OTHERNAME && name->d.otherName->value->type == V_ASN1_UTF8STRING) {
    char oid[256];
    OBJ_obj2txt(oid, sizeof oid, name->d.otherName->type_id, 1);
    push_text(L, name->d.otherName->value->value.utf8string);
    append(L, oid);
  }
}

static void add_generals(lua_State *L, const GENERAL_NAMES *names) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
    add_general(L, sk_GENERAL_NAME_value(names, i));
}

static void add_usages(lua_State *L, const EXTENDED_KEY_USAGE *usages) {
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
    const ASN1_OBJECT *object = sk_ASN1_OBJECT_value(usages, i);
    const char *name = name_of(object);
    if (name)
      lua_pushstring(L, name);
    else
      push_oid(L, object);
    lua_rawseti(L, -2, i + 1);
  }
}

static void add_points(lua_State *L, const CRL_DIST_POINTS *points) {
  for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
    const DIST_POINT *point = sk_DIST_POINT_value(points, i);
    if (point->distpoint && point->distpoint->type == 0)
      add_generals(L, point->distpoint->name.fullname);
  }
}

/* Adds what is in the extension to the table on top. */
static void add_contents(lua_State *L, X509_EXTENSION *extension, int nid) {
  guard *g = lua_newuserdatauv(L, sizeof *g, 0);
  *g = (guard){.nid = nid};
  luaL_setmetatable(L, GUARD);
  lua_insert(L, -2);
  g->value = X509V3_EXT_d2i(extension);
  if (g->value && nid == NID_subject_alt_name) add_generals(L, g->value);
  if (g->value && nid == NID_ext_key_usage) add_usages(L, g->value);
  if (g->value && nid == NID_crl_distribution_points) add_points(L, g->value);
  ERR_clear_error();
  lua_pushvalue(L, -2);
  lua_pushcfunction(L, guard_gc);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
  lua_remove(L, -2);
}

void lpb_tls_extension_push_all(lua_State *L, X509 *x) {
  if (luaL_newmetatable(L, GUARD)) {
    lua_pushcfunction(L, guard_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  lua_newtable(L);
  for (int i = 0; i < X509_get_ext_count(x); i++) {
    X509_EXTENSION *extension = X509_get_ext(x, i);
    const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
    int nid = OBJ_obj2nid(object);
    push_oid(L, object);
    lua_newtable(L);
    set_string(L, "name", name_of(object));
    if (nid == NID_subject_alt_name || nid == NID_ext_key_usage ||
        nid == NID_crl_distribution_points)
      add_contents(L, extension, nid);
    lua_rawset(L, -3);
  }
}

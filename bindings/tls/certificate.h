/* bindings/tls/certificate.h: certificates as objects, with LuaSec's methods. Layer: bindings.
 */
#ifndef LPB_TLS_CERTIFICATE_H
#define LPB_TLS_CERTIFICATE_H

#include <lauxlib.h>

/* Makes the class. */
void lpb_tls_certificate_open(lua_State *L);

/* The function that reads a certificate, and the methods of a connection that give some. */
extern const luaL_Reg lpb_tls_certificate_functions[];
extern const luaL_Reg lpb_tls_certificate_methods[];

#endif

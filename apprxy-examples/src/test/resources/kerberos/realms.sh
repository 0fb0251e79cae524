#!/usr/bin/env bash
# Two realms of MIT Kerberos that trust each other, USERS.TEST and APPS.TEST, for what Samba's domain controller cannot
# do, delegation across realms: realms.sh DIRECTORY USERS-PORT APPS-PORT. Makes what krb5kdc needs, and keytabs.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="$1" users="$2" apps="$3"
mkdir -p "$home/realms/modules" "$home/keytabs"
export KRB5_KDC_PROFILE="$home/realms/kdc.conf"

db2="$(find /usr/lib -path '*/krb5/plugins/kdb/db2.so')"
gcc -Wall -Werror -shared -fPIC -DDB2="\"$db2\"" -o "$home/realms/modules/realms.so" "$here/realms.c" -lkdb5 -lkrb5

realm() {
  cat <<KDC
  $1 = {
    kdc_listen = 127.0.0.1:$2
    kdc_tcp_listen = 127.0.0.1:$2
    database_module = realms
    database_name = $home/realms/$1
    key_stash_file = $home/realms/$1.stash
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
    host_based_services = *
  }
KDC
}
cat >"$KRB5_KDC_PROFILE" <<KDC
[realms]
$(realm USERS.TEST "$users")
$(realm APPS.TEST "$apps")
[dbmodules]
  db_module_dir = $home/realms/modules
  realms = {
    db_library = realms
  }
[logging]
  kdc = FILE:$home/realms/kdc.log
KDC

database() { kadmin.local -r "$1" "${@:2}" >&2; }
service() { database "$1" addprinc -randkey "$2"; }
allow() { database "$1" setstr "$2" delegates_from "$3"; }
keytab() { database "$1" ktadd -k "$home/keytabs/$3.keytab" "$2"; }

trust="Trust-$RANDOM-$RANDOM-$RANDOM"
for realm in USERS.TEST APPS.TEST; do
  kdb5_util -r "$realm" create -s -P "Master-$RANDOM-$RANDOM-$RANDOM" >&2
  database "$realm" addprinc -pw "$trust" krbtgt/APPS.TEST@USERS.TEST
  database "$realm" addprinc -pw "$trust" krbtgt/USERS.TEST@APPS.TEST
done

account=svc-apprxy@USERS.TEST
for user in alice $(seq -f 'user%03g' 0 19); do
  service USERS.TEST "$user"
done
service USERS.TEST sensitive
database USERS.TEST modprinc -allow_forwardable sensitive
service USERS.TEST svc-apprxy
database USERS.TEST modprinc +ok_to_auth_as_delegate svc-apprxy
keytab USERS.TEST svc-apprxy users
service USERS.TEST HTTP/near.users.test
allow USERS.TEST HTTP/near.users.test "$account"
keytab USERS.TEST HTTP/near.users.test near

service APPS.TEST bob
service APPS.TEST HTTP/app.apps.test
allow APPS.TEST HTTP/app.apps.test "$account"
keytab APPS.TEST HTTP/app.apps.test apps
service APPS.TEST HTTP/other.apps.test
allow APPS.TEST HTTP/other.apps.test svc-other@USERS.TEST
chmod 600 "$home"/keytabs/*.keytab

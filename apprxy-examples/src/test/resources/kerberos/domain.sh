#!/usr/bin/env bash
# A throw-away Active Directory domain for tests, CORP.TEST, and beside it the two realms of realms.sh:
# domain.sh DIRECTORY KDC-PORT KPASSWD-PORT HTTPD-PORT USERS-KDC-PORT APPS-KDC-PORT APPS-HTTPD-PORT SILENT-PORT
# Everything lies in the directory, and listens on 127.0.0.1. Ends when its standard input does, and takes all with it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="$1" kdc="$2" kpasswd="$3" httpd="$4" users="$5" apps="$6" apps_httpd="$7" silent="$8"
mkdir -p "$home/keytabs" "$home/run"
export KRB5_CONFIG="$home/krb5.conf"

cat >"$KRB5_CONFIG" <<KRB
[libdefaults]
  default_realm = CORP.TEST
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  forwardable = true
  udp_preference_limit = 1
  kdc_timeout = 3000
  max_retries = 1
  default_tkt_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
  default_tgs_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
  permitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
[realms]
  CORP.TEST = {
    kdc = 127.0.0.1:1
    kdc = 127.0.0.1:$silent
    kdc = 127.0.0.1:$kdc
  }
  USERS.TEST = {
    kdc = 127.0.0.1:$users
  }
  APPS.TEST = {
    kdc = 127.0.0.1:$apps
  }
[domain_realm]
  .corp.test = CORP.TEST
  corp.test = CORP.TEST
  .apps.test = APPS.TEST
KRB
bash "$here/realms.sh" "$home" "$users" "$apps"

# Of Samba's services the KDC alone; and nothing of what /etc/samba has.
: >"$home/seed.conf"
samba-tool domain provision --quiet --configfile="$home/seed.conf" --targetdir="$home" --server-role=dc \
  --host-name=dc1 --host-ip=127.0.0.1 --realm=CORP.TEST --domain=CORP --adminpass="Adm1n-$RANDOM-Passw0rd" \
  --dns-backend=NONE --option="interfaces=127.0.0.1/8" --option="bind interfaces only=yes" \
  --option="server services=kdc" --option="krb5 port=$kdc" --option="kpasswd port=$kpasswd" \
  --option="pid directory=$home/run" --option="ncalrpc dir=$home/run/ncalrpc" --option="log file=$home/run/log.%m"
/usr/bin/python3 "$here/accounts.py" "$home"

samba --foreground --no-process-group --configfile="$home/etc/smb.conf" --debug-stdout \
  >"$home/run/samba.log" 2>&1 </dev/null &
samba=$!

modules=/usr/lib/apache2/modules
mkdir -p "$home/httpd/htdocs" "$home/httpd/rcache"
echo 'REMOTE_USER=<!--#echo var="REMOTE_USER" -->' >"$home/httpd/htdocs/index.shtml"
chmod 755 "$home" "$home/httpd" "$home/httpd/htdocs" "$home/keytabs"
chmod 644 "$KRB5_CONFIG" "$home/httpd/htdocs/index.shtml"
chown www-data: "$home/keytabs/app.keytab" "$home/keytabs/apps.keytab" "$home/httpd/rcache"
cat >"$home/httpd/httpd.conf" <<CONF
ServerName app.corp.test
ServerRoot "$home/httpd"
PidFile "$home/run/httpd.pid"
Listen 127.0.0.1:$httpd
Listen 127.0.0.1:$apps_httpd
User www-data
Group www-data
ErrorLog "$home/httpd/error.log"
LogLevel warn auth_gssapi:debug
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authn_core_module $modules/mod_authn_core.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule authz_user_module $modules/mod_authz_user.so
LoadModule auth_gssapi_module $modules/mod_auth_gssapi.so
LoadModule dir_module $modules/mod_dir.so
LoadModule mime_module $modules/mod_mime.so
LoadModule include_module $modules/mod_include.so
StartServers 1
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot "$home/httpd/htdocs"
DirectoryIndex index.shtml
TypesConfig /dev/null
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory "$home/httpd/htdocs">
  Options +Includes
  AuthType GSSAPI
  AuthName "corp"
  GssapiCredStore keytab:$home/keytabs/app.keytab
  GssapiSSLonly Off
  GssapiAllowedMech krb5
  Require valid-user
</Directory>
<VirtualHost 127.0.0.1:$apps_httpd>
  ServerName app.apps.test
  <Location />
    GssapiCredStore keytab:$home/keytabs/apps.keytab
  </Location>
</VirtualHost>
CONF
KRB5RCACHENAME="dfl:" KRB5RCACHEDIR="$home/httpd/rcache" /usr/sbin/apache2 -f "$home/httpd/httpd.conf" -DFOREGROUND \
  >"$home/httpd/stdout.log" 2>&1 </dev/null &
apache=$!
export KRB5_KDC_PROFILE="$home/realms/kdc.conf"
krb5kdc -n -r USERS.TEST >"$home/realms/users.log" 2>&1 </dev/null &
mit_users=$!
krb5kdc -n -r APPS.TEST >"$home/realms/apps.log" 2>&1 </dev/null &
mit_apps=$!
all="$samba $apache $mit_users $mit_apps"
# shellcheck disable=SC2086,SC2064
trap "kill $all 2>/dev/null || true; wait" EXIT

for port in "$kdc" "$httpd" "$users" "$apps"; do
  until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    for pid in $all; do kill -0 "$pid" || exit 1; done
    sleep 0.1
  done
done
echo started
read -r _ || true

"""The accounts of the test domain, offline, straight into its database: accounts.py DIRECTORY."""
import os
import sys

import ldb
import samba.dckeytab  # gives Net its export_keytab
from samba.auth import system_session
from samba.net import Net
from samba.credentials import Credentials
from samba.param import LoadParm
from samba.samdb import SamDB

home = sys.argv[1]
lp = LoadParm()
lp.load(home + "/etc/smb.conf")
samdb = SamDB(url=home + "/private/sam.ldb", session_info=system_session(), lp=lp)
PASSWORD = "User-Passw0rd-" + os.urandom(8).hex()

DISABLED, NORMAL, NOT_DELEGATED, TRUSTED_TO_AUTH = 0x2, 0x200, 0x100000, 0x1000000
AES, RC4 = "24", "4"


def dn(name):
    return "CN=%s,CN=Users,DC=corp,DC=test" % name


def change(name, **attributes):
    message = ldb.Message(ldb.Dn(samdb, dn(name)))
    for attribute, value in attributes.items():
        attribute = attribute.replace("_", "-")
        message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    samdb.modify(message)


def user(name, flags=0, **more):
    samdb.newuser(name, PASSWORD, setpassword=True)
    if flags:
        change(name, userAccountControl=str(NORMAL | flags))
    if more:
        change(name, **more)


def service(name, spn=None, flags=0, delegates_to=(), encryption=AES):
    user(name, flags)
    attributes = {"msDS_SupportedEncryptionTypes": encryption}
    if spn:
        attributes["servicePrincipalName"] = spn
    if delegates_to:
        attributes["msDS_AllowedToDelegateTo"] = list(delegates_to)
    change(name, **attributes)


samdb.transaction_start()
user("alice")
user("sensitive", NOT_DELEGATED)
user("disabled", DISABLED)
user("mustchange", pwdLastSet="0")  # a new password
user("expired", accountExpires="1")
for number in range(200):
    user("user%03d" % number)

APP = "HTTP/app.corp.test"
service("svc-app", APP)
service("svc-java", "HTTP/java.corp.test")
service("svc-other", "HTTP/other.corp.test")
service("svc-rc4", "HTTP/rc4.corp.test", encryption=RC4)
service(
    "svc-apprxy",
    "HTTP/apprxy.corp.test",
    TRUSTED_TO_AUTH,
    [APP, "HTTP/java.corp.test", "HTTP/rc4.corp.test", "HTTP/ghost.corp.test"],
)
service("svc-noproto", "HTTP/noproto.corp.test", delegates_to=[APP])
service("svc-nospn", None, TRUSTED_TO_AUTH, [APP])
for name in ("stale", "gone", "soon"):
    service("svc-" + name, "HTTP/%s.corp.test" % name, TRUSTED_TO_AUTH, [APP])
service("svc-off", "HTTP/off.corp.test", TRUSTED_TO_AUTH | DISABLED, [APP])

samdb.transaction_commit()

net = Net(Credentials(), lp)
for name in ("svc-apprxy", "svc-noproto", "svc-nospn", "svc-off", "svc-stale", "svc-gone", "svc-soon"):
    net.export_keytab(keytab="%s/keytabs/%s.keytab" % (home, name), principal=name)
for name, principal in (("app", APP), ("java", "HTTP/java.corp.test")):
    net.export_keytab(keytab="%s/keytabs/%s.keytab" % (home, name), principal=principal)
samdb.setpassword("(sAMAccountName=svc-stale)", "Other-" + PASSWORD)
samdb.deleteuser("svc-gone")
for name in os.listdir(home + "/keytabs"):
    os.chmod("%s/keytabs/%s" % (home, name), 0o600)

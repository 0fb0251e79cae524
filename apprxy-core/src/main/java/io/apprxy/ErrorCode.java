package io.apprxy;

/**
 * Every error that a request can end in, with a code that stays the same between releases, the
 * status, what happened, and what can be done. The three digits of a code are grouped: 1 request, 2
 * sign-in and session, 3 policy, 4 routing, 5 connector and tunnel, 6 origin, 7 what connectors are
 * told, 9 the gateway itself.
 */
public enum ErrorCode {
  AMBIGUOUS_TARGET(
      "APX-101",
      400,
      "The address of this request is ambiguous.",
      "Use the plain form of the address."),
  AMBIGUOUS_MESSAGE(
      "APX-102",
      400,
      "The headers of this request contradict each other.",
      "Update or repair the client."),
  HEADERS_TOO_LARGE(
      "APX-103",
      431,
      "The request has too many or too large headers.",
      "Delete the cookies of this site and try again."),
  BODY_TOO_LARGE(
      "APX-104", 413, "The request is larger than this application takes.", "Send less at once."),
  CLIENT_GONE("APX-106", 400, "The client went away before it had its answer.", "Try again."),
  METHOD_NOT_SUPPORTED("APX-105", 501, "This method cannot be forwarded.", "Use another method."),
  MISDIRECTED(
      "APX-107",
      421,
      "This request came by a connection for another host.",
      "Try again by a new connection; a proxy in between must pass the host name on in TLS."),

  SIGN_IN_REQUIRED(
      "APX-201",
      401,
      "You are not signed in, or your session has ended.",
      "Sign in and try again."),
  SIGN_IN_FAILED(
      "APX-202",
      403,
      "The sign-in could not be completed.",
      "Start again from the application's address."),
  SIGN_IN_REFUSED(
      "APX-203",
      403,
      "The identity provider refused the sign-in.",
      "Ask your administrator if you should have access."),
  PROVIDER_UNAVAILABLE(
      "APX-204", 503, "The identity provider cannot be reached.", "Try again in a moment."),
  PROVIDER_INVALID(
      "APX-205",
      502,
      "The identity provider gave an answer that cannot be trusted.",
      "Tell your administrator."),
  SESSION_TOO_LARGE(
      "APX-206",
      500,
      "Your identity has more claims than a session can hold.",
      "Ask your administrator to send fewer claims."),
  STEP_UP_REQUIRED(
      "APX-207", 401, "This needs a stronger, or a newer, sign-in.", "Sign in again, as asked."),
  STEP_UP_FAILED(
      "APX-208",
      403,
      "The identity provider did not confirm what a policy demands of your sign-in.",
      "Sign in with the method that is demanded; if you did, tell your administrator."),

  SESSION_ENDED(
      "APX-209", 401, "Your session has ended while this was under way.", "Sign in again."),
  SESSIONS_UNKNOWN(
      "APX-210",
      503,
      "It cannot be found out at present whether your session is still valid.",
      "Try again in a moment; the operator should check the state that gateways share."),
  GROUPS_UNKNOWN(
      "APX-211",
      502,
      "It cannot be found out which groups you are in.",
      "Try again in a moment; if that does not help, tell your administrator."),
  ACCESS_TOKEN_REFUSED(
      "APX-215",
      401,
      "The access token of this request is not accepted.",
      "Get a new one for this application, and send it in the Authorization header."),
  SCOPE_MISSING(
      "APX-216",
      403,
      "The access token lacks a scope that this application needs.",
      "Ask for the scope when you get the token: the WWW-Authenticate header names it."),
  CREDENTIALS_AMBIGUOUS(
      "APX-217",
      400,
      "It is in doubt which access token this request is made with.",
      "Send one token, in one Authorization header."),
  CLIENT_CERTIFICATE_REQUIRED(
      "APX-218",
      403,
      "This application needs a certificate of yours.",
      "Choose one when the browser asks; if it does not ask, get one from your administrator."),
  CLIENT_CERTIFICATE_REFUSED(
      "APX-219",
      403,
      "Your certificate is not accepted here.",
      "Renew it if it has expired; else ask your administrator which one is needed."),
  CROSS_SITE(
      "APX-220",
      403,
      "A page of another site made this request with your certificate.",
      "Use the application itself; its operator can allow the other site by CORS."),
  FORM_GONE(
      "APX-221",
      410,
      "The form that waited for your sign-in cannot be sent any more.",
      "It waits for 15 minutes, and you are asked once; go back to its page and fill it in again."),

  NOT_ASSIGNED(
      "APX-301",
      403,
      "You are not assigned to this application.",
      "Ask the owner of the application for access."),
  REFUSED_BY_POLICY("APX-302", 403, "A policy refuses this request.", "Ask your administrator."),
  DEVICE_NOT_COMPLIANT(
      "APX-303",
      403,
      "This needs a device that is known to comply with the rules of your organization.",
      "Use such a device, or ask your administrator."),
  READ_ONLY(
      "APX-304",
      403,
      "You may read here at present, but change nothing.",
      "Use another device or network, or ask your administrator."),
  LOCKED_OUT(
      "APX-305",
      429,
      "Too many sign-ins have failed.",
      "Try again later; if it was not you, tell your administrator."),
  TERMS_NOT_ACCEPTED(
      "APX-306",
      403,
      "You have not accepted the terms of use of this application.",
      "Open the application in a browser, and accept them there."),

  NO_APPLICATION(
      "APX-401", 404, "No application is published at this address.", "Check the address."),
  NO_SUCH_PAGE("APX-402", 404, "The gateway has no such page.", "Check the address."),

  NO_CONNECTOR(
      "APX-501",
      503,
      "No connector of this application is connected.",
      "Try again in a moment; the operator should check the connectors of its group."),
  CONNECTOR_LOST(
      "APX-502", 502, "The connector went away while it served this request.", "Try again."),
  CONNECTOR_REFUSED(
      "APX-503",
      502,
      "The connector does not serve this origin.",
      "The operator should add the origin to the connector's allow-list."),
  ASSERTION_REFUSED(
      "APX-504",
      502,
      "The connector did not accept the gateway's assertion.",
      "The operator should compare the clocks of gateway and connector."),
  NOT_VOUCHED_FOR(
      "APX-505",
      403,
      "This request did not come through the gateway, or comes too late.",
      "Use the external address of the application; the operator should compare the clocks of gateway and application."),
  GATEWAY_KEYS_UNAVAILABLE(
      "APX-506",
      503,
      "The application cannot get the keys of the gateway.",
      "Try again in a moment; the operator should check that the application reaches the gateway's /.apprxy/jwks.json."),

  ORIGIN_UNREACHABLE(
      "APX-601",
      502,
      "The application cannot be reached.",
      "Try again in a moment; the operator should check that it runs."),
  ORIGIN_TIMEOUT(
      "APX-602", 504, "The application did not answer in time.", "Try again in a moment."),
  ORIGIN_CERTIFICATE(
      "APX-603",
      502,
      "The certificate of the application is not trusted.",
      "The operator should renew it, or add its CA."),
  ORIGIN_BROKEN("APX-604", 502, "The application broke off its answer.", "Try again."),
  ORIGIN_OVERLOADED(
      "APX-605", 503, "Too many requests wait for this application.", "Try again in a moment."),
  SIGN_ON_FAILED(
      "APX-606", 502, "You could not be signed on to the application.", "Tell your administrator."),
  CIRCUIT_OPEN(
      "APX-607",
      503,
      "The application fails at present, and is given time to recover.",
      "Try again in a moment; the operator should check that it runs."),
  PINNED_ENDPOINT_GONE(
      "APX-608",
      503,
      "The part of the application that you were working with is gone.",
      "Try again in a moment; if that does not help, delete the cookies of this site."),

  ORIGIN_PROTOCOL(
      "APX-609",
      502,
      "The application does not speak the protocol that is configured.",
      "The operator should set originProtocol to HTTP_1_1, or enable HTTP/2 at the origin."),
  CLAIM_MISSING(
      "APX-610",
      403,
      "Your account lacks something that the application needs to know of you.",
      "The operator should have the identity provider send the claim that the log names."),
  NO_ACCOUNT(
      "APX-611",
      403,
      "You have no account at this application.",
      "The operator should put one into the store of accounts."),
  SECRETS_UNAVAILABLE(
      "APX-612",
      503,
      "Your account at this application cannot be looked up.",
      "Try again in a moment; the operator should check the store of accounts."),
  ORIGIN_TOKEN_REFUSED(
      "APX-613",
      403,
      "The identity provider gives you no access token for this application.",
      "The operator should see why in the log, and let the gateway's client get tokens for it."),

  ORIGIN_REFUSED_SIGN_ON(
      "APX-620",
      502,
      "The application does not accept who you are.",
      "The operator should see why: with Kerberos, whether it runs as the account of its service principal name, with that account's present key; else whether its password or token is still good."),
  ORIGIN_NOT_PROVEN(
      "APX-621",
      502,
      "The application did not prove who it is.",
      "The operator should see what answers at its address: it does not have the key of its service principal name."),
  NO_LOGIN_IDENTITY(
      "APX-622",
      403,
      "Your account has no name that the application knows.",
      "The operator should have the identity provider send the claim that names users in the domain."),
  KERBEROS_USER_UNKNOWN(
      "APX-623",
      403,
      "The domain of the application does not know you.",
      "The operator should compare the delegated login identity with the names of the domain."),
  KERBEROS_USER_DISABLED(
      "APX-624",
      403,
      "Your account in the domain of the application may not be used.",
      "It is disabled, expired, or needs a new password: ask your administrator."),
  KERBEROS_USER_NOT_DELEGATED(
      "APX-625",
      403,
      "Your account may not be used by way of a gateway.",
      "It is sensitive and cannot be delegated, or protected: use the application from within its network."),
  KERBEROS_NO_PROTOCOL_TRANSITION(
      "APX-626",
      502,
      "You could not be signed on to the application.",
      "The operator should let the service account delegate with any authentication protocol (TrustedToAuthForDelegation)."),
  KERBEROS_NOT_ALLOWED_TO_DELEGATE(
      "APX-627",
      502,
      "You could not be signed on to the application.",
      "The operator should add its service principal name to those that the service account may delegate to (msDS-AllowedToDelegateTo)."),
  KERBEROS_SERVICE_UNKNOWN(
      "APX-628",
      502,
      "You could not be signed on to the application.",
      "The operator should register its service principal name with the account that it runs as (setspn)."),
  KERBEROS_CLOCK_SKEW(
      "APX-629",
      502,
      "You could not be signed on to the application.",
      "The operator should set the clock of the connector by that of the domain: they differ by more than five minutes."),
  KERBEROS_KEYTAB(
      "APX-630",
      502,
      "You could not be signed on to the application.",
      "The operator should see that the service account is enabled, and export its keytab anew: it is missing, of another account, or has an old key."),
  KERBEROS_ENCRYPTION_TYPE(
      "APX-631",
      502,
      "You could not be signed on to the application.",
      "The operator should allow AES for the accounts in question (msDS-SupportedEncryptionTypes), and set their passwords anew."),
  KDC_UNREACHABLE(
      "APX-632",
      503,
      "The domain of the application cannot be reached.",
      "Try again in a moment; the operator should check the domain controllers that krb5.conf names."),
  KERBEROS_ACCOUNT_NO_SERVICE(
      "APX-633",
      502,
      "You could not be signed on to the application.",
      "The operator should give the service account a service principal name of its own (setspn -s): without one it gets no tickets of users."),
  KERBEROS_OTHER_REALM(
      "APX-634",
      403,
      "Your account is of another domain than those who may be signed on to the application.",
      "The operator should use a service account of the users' own domain, which the application's account lets delegate (resource-based)."),
  KERBEROS_NOT_FORWARDABLE(
      "APX-635",
      502,
      "You could not be signed on to the application.",
      "The operator should write forwardable = true into [libdefaults] of krb5.conf, and see that the service account is neither sensitive nor protected."),

  CERTIFICATE_REQUIRED(
      "APX-701",
      401,
      "This connector has no certificate of the gateway.",
      "Enrol it: create a token on the gateway, and give it to the connector."),
  CERTIFICATE_EXPIRED(
      "APX-702",
      401,
      "The certificate of this connector has expired, or is not valid yet.",
      "Compare the clocks; else enrol it again: create a token on the gateway, and give it to the connector."),
  CONNECTOR_REVOKED(
      "APX-703",
      403,
      "This connector was revoked.",
      "If it is to be admitted again, delete its identity file, and enrol it with a new token."),
  GROUP_UNKNOWN(
      "APX-704",
      403,
      "The gateway has no such connector group any more.",
      "Add the group to the gateway, or enrol the connector with a token of another."),
  ENROLMENT_TOKEN_REFUSED(
      "APX-705",
      401,
      "The enrolment token is not accepted: it is mistyped, was used, or is too old.",
      "Create another on the gateway; each is good for one connector."),
  CERTIFICATE_REQUEST_REFUSED(
      "APX-706",
      400,
      "The request for a certificate cannot be used.",
      "Send PKCS #10, signed with its own key: EC on P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits."),
  KEY_USED(
      "APX-707", 409, "This key was certified before.", "Make a new key for each certificate."),
  TOO_MANY_ATTEMPTS(
      "APX-708", 429, "There were too many attempts from this address.", "Try again in a minute."),
  TOO_MANY_CONNECTIONS(
      "APX-709",
      429,
      "This connector has more connections than a gateway takes of one.",
      "Set connections(…) lower; see that nothing else runs with a copy of its identity."),
  CONNECTOR_OUTDATED(
      "APX-711",
      403,
      "This connector is older than the gateway supports.",
      "Update it: the gateway tells the versions that it recommends and supports."),
  CHECK_IN_REFUSED(
      "APX-712",
      400,
      "What the connector says of itself cannot be understood.",
      "Update or repair the connector."),

  SHUTTING_DOWN("APX-901", 503, "The gateway is shutting down.", "Try again in a moment."),
  INTERNAL(
      "APX-999",
      500,
      "Something went wrong in the gateway.",
      "Tell your administrator, with the id of this request.");

  private final String code;
  private final int status;
  private final String cause;
  private final String remedy;

  ErrorCode(String code, int status, String cause, String remedy) {
    this.code = code;
    this.status = status;
    this.cause = cause;
    this.remedy = remedy;
  }

  /**
   * The code that a connector reports; what a gateway does not know, or a connector must not say,
   * is a broken answer.
   */
  static ErrorCode fromConnector(String code) {
    for (ErrorCode known : values()) {
      if (known.code.equals(code) && (code.startsWith("APX-5") || code.startsWith("APX-6"))) {
        return known;
      }
    }
    return ORIGIN_BROKEN;
  }

  /** {@code APX-} and three digits. */
  public String code() {
    return code;
  }

  /** The HTTP status. */
  public int status() {
    return status;
  }

  /** What happened, in a sentence for the user. */
  public String cause() {
    return cause;
  }

  /** What can be done, in a sentence. */
  public String remedy() {
    return remedy;
  }
}

package io.apprxy;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A published application. Immutable data; {@link #toJson()} and {@link #fromJson(String)} carry
 * it. The settings are those of Microsoft Entra application proxy ({@code onPremisesPublishing}),
 * with safer defaults where Entra's are unsafe. A value that this version cannot honour is refused
 * with {@link IllegalArgumentException}, never ignored.
 *
 * @param id a short name, unique in a gateway: letters, digits, {@code . _ -}; it is the audience
 *     of assertions and a tag of meters
 * @param externalUrl where users reach it: scheme, host and a path that ends with a slash ({@code
 *     externalUrl})
 * @param internalUrl where the connector, or the gateway, reaches it ({@code internalUrl})
 * @param alternateUrl a second external URL ({@code alternateUrl}). Default: none
 * @param useAlternateUrlForTranslationAndRedirect {@code useAlternateUrlForTranslationAndRedirect}.
 *     Default: false
 * @param externalAuthentication {@code externalAuthenticationType}. Default: {@link
 *     ExternalAuthentication#PRE_AUTHENTICATION}
 * @param originInstances further instances of the origin, beside the one of {@code internalUrl};
 *     one that names the latter sets its weight. All of them see the same {@code Host}. Default:
 *     none
 * @param connectorGroups the groups whose connectors serve it; empty if the gateway reaches the
 *     origin itself. Default: empty
 * @param assignments who may use it ({@code appRoleAssignments}). Must name somebody unless the
 *     application is passthrough
 * @param singleSignOn {@code singleSignOnSettings}. Default: none
 * @param applicationServerTimeout how long the origin may take to begin its answer ({@code
 *     applicationServerTimeout}, there 85 s or 180 s; here any positive duration). Default: 85 s
 * @param loadBalancing how requests are spread over connectors and origin instances. Default:
 *     {@link LoadBalancing#defaults()}
 * @param backendCertificateValidation {@code isBackendCertificateValidationEnabled}. Default: true
 * @param httpOnlyCookie {@code isHttpOnlyCookieEnabled}. Default: true (Entra: false)
 * @param secureCookie {@code isSecureCookieEnabled}. Default: true
 * @param persistentCookie whether the session cookie outlives the browser's window ({@code
 *     isPersistentCookieEnabled}). Default: false
 * @param translateHostHeader whether the origin sees its internal host name in {@code Host} rather
 *     than the external one ({@code isTranslateHostHeaderEnabled}). Default: true
 * @param translateLinksInBody {@code isTranslateLinksInBodyEnabled}. Default: false
 * @param stateSession whether a sign-in carries a state ({@code isStateSessionEnabled}). Default:
 *     true
 * @param continuousAccessEvaluation {@code isContinuousAccessEvaluationEnabled}. Default: false
 * @param segments further URLs of a complex application ({@code segmentsConfiguration}). Default:
 *     none
 * @param customDomainCertificate {@code verifiedCustomDomainKeyCredential}. Default: none
 * @param originProtocol what the origin speaks. Default: {@link OriginProtocol#HTTP_1_1}
 * @param upgradeProtocols the protocols that a client may switch to by {@code Upgrade} (RFC 9110
 *     §7.8): nothing of what follows on such a connection is seen by the gateway. An origin of
 *     {@link OriginProtocol#HTTP_2} is asked for none. Default: {@code websocket}
 * @param idleTimeout how long an answer, or an upgraded connection, may stay silent in both
 *     directions; up to 20 days. Default: 10 minutes
 * @param stallTimeout how long what was received may wait for a receiver that takes nothing, client
 *     or origin, before the request is broken off; a connection on which there is nothing to send
 *     waits for nobody. Up to 20 days. Default: 1 minute
 * @param authenticationContexts parts that demand an authentication context. Default: none
 * @param identityProviders the names of the providers that may sign its users in; a session that
 *     began with another is none here. Empty if any may. Default: empty
 * @param passthroughPaths parts that are forwarded without sign-in, whoever asks, and never with an
 *     identity. Default: none
 * @param corsConfigurations which pages of other origins may use which part by script; where there
 *     is none, that is up to the origin. Default: none
 * @param bearerTokens which access tokens of native and service clients count; null if none does:
 *     then {@code Authorization} is the origin's affair. Default: null
 * @param clientCertificate what its clients are asked to prove in TLS. Default: {@link
 *     ClientCertificate#NONE}
 * @param legacyAuthentication what becomes of NTLM and Basic between clients and the origin.
 *     Default: {@link LegacyAuthentication#FORWARD}
 */
public record Application(
    String id,
    URI externalUrl,
    URI internalUrl,
    @Nullable URI alternateUrl,
    boolean useAlternateUrlForTranslationAndRedirect,
    ExternalAuthentication externalAuthentication,
    List<OriginInstance> originInstances,
    List<String> connectorGroups,
    Assignments assignments,
    SingleSignOn singleSignOn,
    Duration applicationServerTimeout,
    LoadBalancing loadBalancing,
    boolean backendCertificateValidation,
    boolean httpOnlyCookie,
    boolean secureCookie,
    boolean persistentCookie,
    boolean translateHostHeader,
    boolean translateLinksInBody,
    boolean stateSession,
    boolean continuousAccessEvaluation,
    List<URI> segments,
    @Nullable String customDomainCertificate,
    OriginProtocol originProtocol,
    List<String> upgradeProtocols,
    Duration idleTimeout,
    Duration stallTimeout,
    List<AuthenticationContext> authenticationContexts,
    List<String> identityProviders,
    List<PassthroughPath> passthroughPaths,
    List<CorsConfiguration> corsConfigurations,
    @Nullable BearerTokens bearerTokens,
    ClientCertificate clientCertificate,
    LegacyAuthentication legacyAuthentication) {

  private static final Duration LONGEST_TIMEOUT = Duration.ofDays(20); // in ms, it fits an int

  /** RFC 9110 §7.8: a token, and perhaps a version. */
  private static final Pattern UPGRADE =
      Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+(/[A-Za-z0-9!#$%&'*+.^_`|~-]+)?");

  /** Each would carry requests that the gateway does not see. */
  private static final Pattern HIDES_REQUESTS = Pattern.compile("(?i)h2c?|(http|tls)(/.*)?");

  /** RFC 9110 §5.6.2. */
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");

  private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

  public Application {
    Objects.requireNonNull(id, "id");
    Objects.requireNonNull(externalAuthentication, "externalAuthentication");
    Objects.requireNonNull(assignments, "assignments");
    Objects.requireNonNull(singleSignOn, "singleSignOn");
    Objects.requireNonNull(applicationServerTimeout, "applicationServerTimeout");
    Objects.requireNonNull(loadBalancing, "loadBalancing");
    originInstances = List.copyOf(Objects.requireNonNull(originInstances, "originInstances"));
    connectorGroups = List.copyOf(Objects.requireNonNull(connectorGroups, "connectorGroups"));
    segments = List.copyOf(Objects.requireNonNull(segments, "segments"));
    require(
        ID.matcher(id).matches(),
        id,
        "id",
        "must be 1 to 64 letters, digits or . _ -, and begin with a letter or digit");
    checkUrl(id, "externalUrl", externalUrl);
    checkUrl(id, "internalUrl", internalUrl);
    require(
        originInstances.stream().map(OriginInstance::origin).distinct().count()
            == originInstances.size(),
        id,
        "originInstances",
        "must name no instance twice: " + originInstances);
    require(
        loadBalancing.algorithm() != LoadBalancing.Algorithm.ROUND_ROBIN
            || originInstances.stream().allMatch(instance -> instance.weight() == 1),
        id,
        "originInstances",
        "have weights, which ROUND_ROBIN would ignore: balance by WEIGHTED");
    require(
        connectorGroups.stream().distinct().count() == connectorGroups.size()
            && connectorGroups.stream().noneMatch(String::isBlank),
        id,
        "connectorGroups",
        "must name no group twice, and none without a name: " + connectorGroups);
    require(
        applicationServerTimeout.compareTo(Duration.ZERO) > 0,
        id,
        "applicationServerTimeout",
        "must be longer than zero");
    require(
        externalAuthentication == ExternalAuthentication.PASSTHROUGH || !assignments.isEmpty(),
        id,
        "assignments",
        "name nobody, so nobody could use it: call assignUsers, assignGroups or assignEveryone");
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION
            || (assignments.isEmpty() && singleSignOn.isNone()),
        id,
        "externalAuthentication",
        "is PASSTHROUGH, where nobody is known: assignments and singleSignOn would have no effect");
    Objects.requireNonNull(originProtocol, "originProtocol");
    upgradeProtocols = List.copyOf(Objects.requireNonNull(upgradeProtocols, "upgradeProtocols"));
    for (String protocol : upgradeProtocols) {
      require(
          UPGRADE.matcher(protocol).matches(),
          id,
          "upgradeProtocols",
          "must be names of protocols, such as websocket or SPDY/3.1: " + protocol);
      require(
          !HIDES_REQUESTS.matcher(protocol).matches(),
          id,
          "upgradeProtocols",
          "must not be HTTP or TLS, whose requests the gateway could not check: " + protocol);
    }
    checkTimeout(id, "idleTimeout", idleTimeout);
    checkTimeout(id, "stallTimeout", stallTimeout);
    authenticationContexts =
        List.copyOf(Objects.requireNonNull(authenticationContexts, "authenticationContexts"));
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION
            || authenticationContexts.isEmpty(),
        id,
        "externalAuthentication",
        "is PASSTHROUGH, where nobody is known: authenticationContexts would have no effect");
    identityProviders = List.copyOf(Objects.requireNonNull(identityProviders, "identityProviders"));
    require(
        identityProviders.stream().distinct().count() == identityProviders.size()
            && identityProviders.stream().noneMatch(String::isBlank),
        id,
        "identityProviders",
        "must name no provider twice, and none without a name: " + identityProviders);
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION
            || identityProviders.isEmpty(),
        id,
        "identityProviders",
        "would have no effect: externalAuthentication is PASSTHROUGH");
    passthroughPaths = List.copyOf(Objects.requireNonNull(passthroughPaths, "passthroughPaths"));
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION
            || passthroughPaths.isEmpty(),
        id,
        "passthroughPaths",
        "would have no effect: externalAuthentication is PASSTHROUGH");
    for (PassthroughPath open : passthroughPaths) {
      require(
          open.path().startsWith(externalUrl.getRawPath()),
          id,
          "passthroughPaths",
          "must lie below the path of externalUrl: " + open.path());
      require(
          !open.isBelow(externalUrl.getRawPath()),
          id,
          "passthroughPaths",
          "must not be the whole application, which passthrough() is for: " + open.path());
    }
    corsConfigurations =
        List.copyOf(Objects.requireNonNull(corsConfigurations, "corsConfigurations"));
    require(
        corsConfigurations.stream().map(CorsConfiguration::resource).distinct().count()
            == corsConfigurations.size(),
        id,
        "corsConfigurations",
        "must name no resource twice");
    for (CorsConfiguration cors : corsConfigurations) {
      require(
          isPrefix(externalUrl.getRawPath(), cors.resource())
              || isPrefix(cors.resource(), externalUrl.getRawPath()),
          id,
          "corsConfigurations",
          "must be for a part of the application: " + cors.resource());
    }
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION || bearerTokens == null,
        id,
        "bearerTokens",
        "would have no effect: externalAuthentication is PASSTHROUGH");
    Objects.requireNonNull(legacyAuthentication, "legacyAuthentication");
    Objects.requireNonNull(clientCertificate, "clientCertificate");
    require(
        externalAuthentication == ExternalAuthentication.PRE_AUTHENTICATION
            || clientCertificate == ClientCertificate.NONE,
        id,
        "clientCertificate",
        "would have no effect: externalAuthentication is PASSTHROUGH");
    require(
        clientCertificate == ClientCertificate.NONE || externalUrl.getScheme().equals("https"),
        id,
        "clientCertificate",
        "needs an externalUrl of https");
    require(
        clientCertificate != ClientCertificate.IDENTITY || bearerTokens == null,
        id,
        "clientCertificate",
        "is IDENTITY, so that bearerTokens would have no effect");
    require(
        bearerTokens == null || !bearerTokens.forward() || !singleSignOn.setsAuthorization(),
        id,
        "bearerTokens",
        "must not be forwarded where singleSignOn sets Authorization, too");
    require(
        clientCertificate != ClientCertificate.IDENTITY || singleSignOn.token() == null,
        id,
        "clientCertificate",
        "is IDENTITY, so that there is no access token for singleSignOn");
    refuseWithoutEffect(id, "alternateUrl", alternateUrl != null);
    refuseWithoutEffect(
        id, "useAlternateUrlForTranslationAndRedirect", useAlternateUrlForTranslationAndRedirect);
    refuseWithoutEffect(id, "backendCertificateValidation = false", !backendCertificateValidation);
    refuseWithoutEffect(id, "httpOnlyCookie = false", !httpOnlyCookie);
    refuseWithoutEffect(id, "secureCookie = false", !secureCookie);
    refuseWithoutEffect(id, "translateLinksInBody", translateLinksInBody);
    refuseWithoutEffect(id, "stateSession = false", !stateSession);
    refuseWithoutEffect(id, "continuousAccessEvaluation", continuousAccessEvaluation);
    refuseWithoutEffect(id, "segments", !segments.isEmpty());
    refuseWithoutEffect(id, "customDomainCertificate", customDomainCertificate != null);
  }

  /** Quick, since the way of every request asks for it; applications of one id are few. */
  @Override
  public int hashCode() {
    return id.hashCode();
  }

  /**
   * All instances of the origin, the one of {@code internalUrl} first: each a scheme, a host and a
   * port. Immutable.
   */
  public List<OriginInstance> allOriginInstances() {
    OriginInstance first = new OriginInstance(originOf(internalUrl), 1);
    List<OriginInstance> all = new ArrayList<>();
    all.add(first);
    for (OriginInstance instance : originInstances) {
      if (instance.origin().equals(first.origin())) {
        all.set(0, instance);
      } else {
        all.add(instance);
      }
    }
    return List.copyOf(all);
  }

  private static URI originOf(URI url) {
    return URI.create(url.getScheme() + "://" + url.getRawAuthority());
  }

  /** What an origin speaks. */
  public enum OriginProtocol {
    /** RFC 9112; with TLS if the internal URL is https. */
    HTTP_1_1,
    /**
     * RFC 9113, as gRPC needs it. The origin of an https URL must select {@code h2} by ALPN; that
     * of an http URL must take HTTP/2 without being asked (prior knowledge, RFC 9113 §3.3).
     */
    HTTP_2
  }

  /** What clients are asked to prove by a certificate in TLS. */
  public enum ClientCertificate {
    /** They are not asked: browsers would ask their users. */
    NONE,
    /** They may have one, for access tokens that are bound to it (RFC 8705); it is nobody's. */
    OPTIONAL,
    /** They must have one that counts, and sign in as well. */
    REQUIRED,
    /** They must have one that counts, and it says who they are: nobody signs in. */
    IDENTITY
  }

  /** What becomes of authentication that an origin does itself, in old ways. */
  public enum LegacyAuthentication {
    /**
     * It is the origin's affair, as with Entra. A client that authenticates by NTLM, which holds
     * for a connection, has the connections to the origin that it needs for itself.
     */
    FORWARD,
    /**
     * Neither reaches the other: the credentials of clients ({@code Authorization}) are removed if
     * they are of Basic or NTLM, and so is what the origin offers ({@code WWW-Authenticate}), which
     * is an event.
     */
    REMOVE
  }

  /** Whether the gateway authenticates users before anything reaches the origin. */
  public enum ExternalAuthentication {
    /** Entra's {@code aadPreAuthentication}. */
    PRE_AUTHENTICATION,
    /** Entra's {@code passthru}: every request is forwarded, and no identity is known. */
    PASSTHROUGH
  }

  /**
   * One of several servers that run the same application. Immutable.
   *
   * @param url scheme, host and port, such as {@code http://10.1.2.3:8080}; the path is that of
   *     {@code internalUrl}
   * @param weight its share in relation to the other instances, 1 to 1,000. Default: 1
   */
  public record OriginInstance(URI url, int weight) {
    /**
     * An instance.
     *
     * @throws IllegalArgumentException if the URL has more than a scheme, a host and a port, or the
     *     weight is out of range
     */
    public OriginInstance {
      boolean plain =
          ("http".equals(url.getScheme()) || "https".equals(url.getScheme()))
              && url.getHost() != null
              && url.getRawUserInfo() == null
              && (url.getRawPath().isEmpty() || url.getRawPath().equals("/"))
              && url.getRawQuery() == null
              && url.getRawFragment() == null;
      if (!plain) {
        throw new IllegalArgumentException(
            "an origin instance must be http:// or https://, a host and a port: " + url);
      }
      if (weight < 1 || weight > 1_000) {
        throw new IllegalArgumentException(
            "the weight of an origin instance must be 1 to 1000: " + weight);
      }
    }

    /** Its name where equal ones must be equal: scheme, host in lower case, and always a port. */
    public String origin() {
      int defaultPort = url.getScheme().equals("https") ? 443 : 80;
      int port = url.getPort() < 0 ? defaultPort : url.getPort();
      return url.getScheme() + "://" + url.getHost().toLowerCase(Locale.ROOT) + ":" + port;
    }
  }

  /**
   * Who is assigned to an application. Immutable.
   *
   * @param users names of users: matched with {@code preferred_username}, {@code upn}, {@code
   *     email} or {@code sub}
   * @param groups names or ids of groups, as in the {@code groups} claim
   * @param everyone whether every user who can sign in is assigned
   */
  public record Assignments(List<String> users, List<String> groups, boolean everyone) {
    public Assignments {
      users = List.copyOf(Objects.requireNonNull(users, "users"));
      groups = List.copyOf(Objects.requireNonNull(groups, "groups"));
    }

    boolean isEmpty() {
      return users.isEmpty() && groups.isEmpty() && !everyone;
    }
  }

  /**
   * How the origin learns who the user is. Immutable.
   *
   * @param headers the headers that tell the origin something of the user
   * @param signedAssertion what the gateway signs for the origin; null for nothing
   * @param kerberos the ticket that the origin gets ({@code kerberosSignOnSettings}); null for none
   * @param basic the password that the origin gets; null for none
   * @param token the access token that the origin gets; null for none
   */
  public record SingleSignOn(
      List<HeaderMapping> headers,
      @Nullable SignedAssertion signedAssertion,
      @Nullable KerberosDelegation kerberos,
      @Nullable BasicAuthentication basic,
      @Nullable OriginToken token) {
    /**
     * Settings.
     *
     * @throws IllegalArgumentException if two headers are the same to an origin, in any spelling,
     *     or more than one is to be {@code Authorization}
     */
    public SingleSignOn {
      headers = List.copyOf(Objects.requireNonNull(headers, "headers"));
      Set<String> folded = new HashSet<>();
      for (String name : names(headers, signedAssertion)) {
        if (!folded.add(HeaderNames.fold(name))) {
          throw new IllegalArgumentException(
              "singleSignOn: two headers are the same to an origin: " + name);
        }
      }
      boolean assertion = signedAssertion != null && signedAssertion.inAuthorization();
      if (Stream.of(kerberos != null, basic != null, token != null, assertion)
              .filter(set -> set)
              .count()
          > 1) {
        throw new IllegalArgumentException(
            "singleSignOn: kerberos, basic, token, and an assertion in Authorization exclude each"
                + " other");
      }
    }

    /** Whether the origin gets credentials of the gateway's in {@code Authorization}. */
    public boolean setsAuthorization() {
      return kerberos != null
          || basic != null
          || token != null
          || (signedAssertion != null && signedAssertion.inAuthorization());
    }

    /**
     * The names of all headers that tell the origin an identity, and nothing else; so without
     * {@code Authorization}.
     */
    public List<String> headerNames() {
      return names(headers, signedAssertion);
    }

    private static List<String> names(
        List<HeaderMapping> headers, @Nullable SignedAssertion signedAssertion) {
      List<String> names = new ArrayList<>(headers.stream().map(HeaderMapping::header).toList());
      if (signedAssertion != null && !signedAssertion.inAuthorization()) {
        names.add(signedAssertion.header());
      }
      return names;
    }

    boolean isNone() {
      return headers.isEmpty() && signedAssertion == null && !setsAuthorization();
    }
  }

  /**
   * Kerberos constrained delegation: the origin gets a ticket in the name of the user, in {@code
   * Authorization: Negotiate} (RFC 4559) of every request. Immutable.
   *
   * @param servicePrincipalName the service that the origin is, such as {@code
   *     HTTP/app.corp.example} or, in another realm, {@code HTTP/app.other.example@OTHER.EXAMPLE}
   *     ({@code kerberosServicePrincipalName})
   * @param loginIdentity who the user is in the realm ({@code kerberosSignOnMappingAttributeType}).
   *     Default: {@link LoginIdentity#USER_PRINCIPAL_NAME}
   * @param claim the claim that it is read from; null for the one of the login identity. Default:
   *     null
   * @param tokenForm what the ticket is wrapped in. Default: {@link TokenForm#SPNEGO}
   */
  public record KerberosDelegation(
      String servicePrincipalName,
      LoginIdentity loginIdentity,
      @Nullable String claim,
      TokenForm tokenForm) {
    private static final Pattern SERVICE =
        Pattern.compile("[A-Za-z0-9_-]+/[A-Za-z0-9.:_-]+(/[A-Za-z0-9.:_-]+)?(@[A-Za-z0-9._-]+)?");

    /**
     * A delegation.
     *
     * @throws IllegalArgumentException if the name is not that of a service, or the claim is blank
     */
    public KerberosDelegation {
      Objects.requireNonNull(loginIdentity, "loginIdentity");
      Objects.requireNonNull(tokenForm, "tokenForm");
      if (!SERVICE.matcher(servicePrincipalName).matches()) {
        throw new IllegalArgumentException(
            "kerberos: servicePrincipalName must be service/host, with @REALM or without: "
                + servicePrincipalName);
      }
      if (claim != null && claim.isBlank()) {
        throw new IllegalArgumentException("kerberos: claim must not be blank");
      }
    }

    /** To this service, with the defaults. */
    public static KerberosDelegation to(String servicePrincipalName) {
      return new KerberosDelegation(
          servicePrincipalName, LoginIdentity.USER_PRINCIPAL_NAME, null, TokenForm.SPNEGO);
    }

    /** The same for users that are known in the realm by this. */
    public KerberosDelegation as(LoginIdentity identity) {
      return new KerberosDelegation(servicePrincipalName, identity, claim, tokenForm);
    }

    /** The same, read from this claim: one that users cannot change. */
    public KerberosDelegation fromClaim(String name) {
      return new KerberosDelegation(servicePrincipalName, loginIdentity, name, tokenForm);
    }

    /** The same in this form. */
    public KerberosDelegation in(TokenForm form) {
      return new KerberosDelegation(servicePrincipalName, loginIdentity, claim, form);
    }

    /** The claim that names the user. */
    public String loginClaim() {
      return claim == null ? loginIdentity.claim : claim;
    }
  }

  /** Entra's delegated login identity ({@code kerberosSignOnMappingAttributeType}). */
  public enum LoginIdentity {
    /** {@code alice@corp.example} of the claim {@code upn}: what follows the @ is the realm. */
    USER_PRINCIPAL_NAME("upn"),
    /** The same of the claim {@code onpremisesuserprincipalname}. */
    ON_PREMISES_USER_PRINCIPAL_NAME("onpremisesuserprincipalname"),
    /** {@code alice} of that name, in the realm of the account that delegates. */
    USER_PRINCIPAL_USERNAME("upn"),
    /** {@code alice} of the on-premises name, in the realm of the account that delegates. */
    ON_PREMISES_USER_PRINCIPAL_USERNAME("onpremisesuserprincipalname"),
    /** The claim {@code onpremisessamaccountname}, in the realm of the account that delegates. */
    ON_PREMISES_SAM_ACCOUNT_NAME("onpremisessamaccountname");

    private final String claim;

    LoginIdentity(String claim) {
      this.claim = claim;
    }
  }

  /** What a Kerberos ticket travels in. */
  public enum TokenForm {
    /** RFC 4178: what browsers send, and most servers expect. */
    SPNEGO,
    /** RFC 4121 alone, for servers that do not negotiate. */
    KERBEROS
  }

  /**
   * A short-lived JWT by which an origin knows that a request came through the gateway, and for
   * whom; see {@link AssertionSigner}. Immutable.
   *
   * @param header the header that it is in: by itself, or, in {@code Authorization}, as a Bearer
   *     token (RFC 6750), as whatever protects APIs expects it. Default: {@code X-Apprxy-Assertion}
   * @param audience its {@code aud}; null for the id of the application. Default: null
   * @param claims the claims of the identity that the origin is told, where the user has them,
   *     beside those that every assertion has. Default: {@code preferred_username}, {@code name},
   *     {@code email}, {@code email_verified} and {@code groups}
   */
  public record SignedAssertion(String header, @Nullable String audience, List<String> claims) {
    /** What the gateway says itself, and no provider may say for it. */
    private static final Set<String> RESERVED =
        Set.of("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "auth_time", "idp");

    /** RFC 9110 §5.6.2. */
    private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");

    /**
     * What to sign.
     *
     * @throws IllegalArgumentException if the header is no token or has another meaning, the
     *     audience is blank, or a claim is one that the gateway sets itself
     */
    public SignedAssertion {
      claims = List.copyOf(Objects.requireNonNull(claims, "claims"));
      if (HeaderMapping.saysSomethingElse(header) && !header.equalsIgnoreCase("Authorization")) {
        throw new IllegalArgumentException(
            "signedAssertion: header must not be one that says something else to the origin: "
                + header);
      }
      if (!TOKEN.matcher(header).matches()) {
        throw new IllegalArgumentException(
            "signedAssertion: header must be a token (RFC 9110 §5.6.2): " + header);
      }
      if (audience != null && audience.isBlank()) {
        throw new IllegalArgumentException("signedAssertion: audience must not be blank");
      }
      for (String claim : claims) {
        if (claim.isBlank() || RESERVED.contains(claim)) {
          throw new IllegalArgumentException(
              "signedAssertion: claims must not name what every assertion has, nor be blank: "
                  + claim);
        }
      }
    }

    /** Whether it is a Bearer token, in {@code Authorization}. */
    public boolean inAuthorization() {
      return header.equalsIgnoreCase("Authorization");
    }

    /** With the defaults. */
    public static SignedAssertion defaults() {
      return new SignedAssertion(
          "X-Apprxy-Assertion",
          null,
          List.of("preferred_username", "name", "email", "email_verified", "groups"));
    }

    /** The same in another header. */
    public SignedAssertion inHeader(String name) {
      return new SignedAssertion(name, audience, claims);
    }

    /** The same for another audience. */
    public SignedAssertion forAudience(String name) {
      return new SignedAssertion(header, name, claims);
    }

    /** The same with these claims of the identity, and no others. */
    public SignedAssertion withClaims(String... names) {
      return new SignedAssertion(header, audience, List.of(names));
    }
  }

  /**
   * A part of the application that demands an authentication context: of the policies that target
   * it, or, where none does, of the provider (Entra's {@code acrs} claim). Immutable.
   *
   * @param id {@code c1} to {@code c99}
   * @param path this path and what is below it, such as {@code /admin}; percent-encoded, as in a
   *     URL
   * @param methods the methods that demand it, such as {@code DELETE}; empty if all do. Default:
   *     empty
   */
  public record AuthenticationContext(String id, String path, List<String> methods) {
    /**
     * A part of the application.
     *
     * @throws IllegalArgumentException if the id is none of c1 to c99, the path does not begin with
     *     a slash, or a method is no token
     */
    public AuthenticationContext {
      methods = List.copyOf(Objects.requireNonNull(methods, "methods"));
      if (!id.matches("c[1-9][0-9]?")) {
        throw new IllegalArgumentException("an authentication context must be c1 to c99: " + id);
      }
      if (!path.startsWith("/")) {
        throw new IllegalArgumentException(
            "the path of an authentication context must begin with a slash: " + path);
      }
      for (String method : methods) {
        if (!TOKEN.matcher(method).matches()) {
          throw new IllegalArgumentException(
              "a method of an authentication context must be a token: " + method);
        }
      }
    }
  }

  /**
   * A part that is forwarded without sign-in, such as a health check or a webhook, which the origin
   * checks itself. Nothing but method and path decides, never a header. Immutable.
   *
   * @param path a path as it stands in the external URL, in its canonical form; upper and lower
   *     case differ
   * @param below whether what is below the path is open, too: of {@code /hooks} also {@code
   *     /hooks/a}, not {@code /hooks-a}. Default: false, this path alone
   * @param methods the methods that are open, such as {@code GET}; at least one
   */
  public record PassthroughPath(String path, boolean below, List<String> methods) {
    /**
     * An open part.
     *
     * @throws IllegalArgumentException if the path is not canonical, so that no request could have
     *     it, or belongs to the gateway; or a method is missing or no token
     */
    public PassthroughPath {
      requireCanonical("a passthrough path", path);
      methods = List.copyOf(Objects.requireNonNull(methods, "methods"));
      if (methods.isEmpty()) {
        throw new IllegalArgumentException("a passthrough path must name its methods: " + path);
      }
      for (String method : methods) {
        if (!TOKEN.matcher(method).matches()) {
          throw new IllegalArgumentException(
              "a method of a passthrough path must be a token: " + method);
        }
      }
    }

    boolean matches(String method, String target) {
      return methods.contains(method) && (below ? isPrefix(path, target) : path.equals(target));
    }

    /** Whether it opens all that is below this folder. */
    boolean isBelow(String folder) {
      return below && isPrefix(path, folder);
    }
  }

  /**
   * Whether such a request is forwarded without sign-in, and with no identity: because the
   * application is passthrough, or by one of {@link #passthroughPaths()}. Of the reserved paths
   * none is.
   *
   * @param method as sent
   * @param path in its canonical form
   */
  public boolean passesThrough(String method, String path) {
    if (path.startsWith(Exchange.RESERVED_PREFIX)) {
      return false;
    }
    if (externalAuthentication == ExternalAuthentication.PASSTHROUGH) {
      return true;
    }
    for (PassthroughPath open : passthroughPaths) { // no stream: it is done for every request
      if (open.matches(method, path)) {
        return true;
      }
    }
    return false;
  }

  /** The configuration that counts for a path, in its canonical form; null if there is none. */
  public @Nullable CorsConfiguration corsConfiguration(String path) {
    CorsConfiguration found = null;
    for (CorsConfiguration cors : corsConfigurations) { // no stream: it is done for every request
      if (isPrefix(cors.resource(), path)
          && (found == null || cors.resource().length() > found.resource().length())) {
        found = cors;
      }
    }
    return found;
  }

  /**
   * How clients of its API name the application (RFC 9728 §1.2): the external URL without the slash
   * at its end.
   */
  public String resource() {
    String url = externalUrl.toString();
    return url.substring(0, url.length() - 1);
  }

  /**
   * The path of what it tells those clients (RFC 9728 §3.1); answered by the gateway if the
   * application takes bearer tokens.
   */
  public String resourceMetadataPath() {
    String path = externalUrl.getRawPath();
    return BearerTokens.METADATA_PATH + path.substring(0, path.length() - 1);
  }

  /** Whether a path is another, or below it at the end of a segment. */
  static boolean isPrefix(String prefix, String path) {
    return path.startsWith(prefix)
        && (path.length() == prefix.length()
            || prefix.endsWith("/")
            || path.charAt(prefix.length()) == '/');
  }

  /** That the path of a setting is one that a request can have. */
  static void requireCanonical(String what, String path) {
    String canonical;
    try {
      canonical = CanonicalPath.of(path);
    } catch (GatewayException e) {
      throw new IllegalArgumentException(
          what + " must begin with a slash and be plain: " + path, e);
    }
    if (!canonical.equals(path)) {
      throw new IllegalArgumentException(
          what + " must be written as " + canonical + ", not " + path);
    }
    if (path.startsWith(Exchange.RESERVED_PREFIX)) {
      throw new IllegalArgumentException(
          what + " must not lie under " + Exchange.RESERVED_PREFIX + ": " + path);
    }
  }

  /** A builder with the defaults. */
  public static Builder builder(String id) {
    return new Builder(id);
  }

  /**
   * Reads what {@link #toJson()} wrote. Absent settings take their default.
   *
   * @throws IllegalArgumentException if the text is no JSON of an application, names an unknown
   *     setting, or holds a bad value
   */
  public static Application fromJson(String json) {
    return ApplicationJson.read(json);
  }

  /** This application as a JSON object, with all settings. */
  public String toJson() {
    return ApplicationJson.write(this);
  }

  private static void checkUrl(String id, String setting, URI url) {
    Objects.requireNonNull(url, setting);
    String scheme = url.getScheme();
    require(
        "http".equals(scheme) || "https".equals(scheme),
        id,
        setting,
        "must begin with http:// or https://: " + url);
    require(
        url.getHost() != null && url.getRawUserInfo() == null,
        id,
        setting,
        "must have a host and no user: " + url);
    require(
        !url.getHost().contains("*"), id, setting, "must have no wildcard in this version: " + url);
    require(
        url.getRawPath().endsWith("/") && url.getRawQuery() == null && url.getRawFragment() == null,
        id,
        setting,
        "must end with a slash and have no query or fragment: " + url);
  }

  private static void checkTimeout(String id, String setting, Duration timeout) {
    Objects.requireNonNull(timeout, setting);
    require(
        timeout.compareTo(Duration.ZERO) > 0 && timeout.compareTo(LONGEST_TIMEOUT) <= 0,
        id,
        setting,
        "must be longer than zero, and at most 20 days: " + timeout);
  }

  private static void refuseWithoutEffect(String id, String setting, boolean used) {
    require(
        !used,
        id,
        setting,
        "has no effect in this version, and so is refused: leave it at its default");
  }

  private static void require(boolean rule, String id, String setting, String message) {
    if (!rule) {
      throw new IllegalArgumentException("application " + id + ": " + setting + " " + message);
    }
  }

  /** Builds an {@link Application}. Not thread-safe. */
  public static final class Builder {
    private final String id;
    private @Nullable URI externalUrl;
    private @Nullable URI internalUrl;
    private @Nullable URI alternateUrl;
    private boolean useAlternateUrl;
    private ExternalAuthentication externalAuthentication =
        ExternalAuthentication.PRE_AUTHENTICATION;
    private final List<OriginInstance> originInstances = new ArrayList<>();
    private List<String> connectorGroups = List.of();
    private final List<String> users = new ArrayList<>();
    private final List<String> groups = new ArrayList<>();
    private boolean everyone;
    private final List<HeaderMapping> headers = new ArrayList<>();
    private @Nullable SignedAssertion signedAssertion;
    private @Nullable KerberosDelegation kerberos;
    private @Nullable BasicAuthentication basic;
    private @Nullable OriginToken token;
    private Duration applicationServerTimeout = Duration.ofSeconds(85);
    private LoadBalancing loadBalancing = LoadBalancing.defaults();
    private boolean backendCertificateValidation = true;
    private boolean httpOnlyCookie = true;
    private boolean secureCookie = true;
    private boolean persistentCookie;
    private boolean translateHostHeader = true;
    private boolean translateLinksInBody;
    private boolean stateSession = true;
    private boolean continuousAccessEvaluation;
    private List<URI> segments = List.of();
    private @Nullable String customDomainCertificate;
    private OriginProtocol originProtocol = OriginProtocol.HTTP_1_1;
    private List<String> upgradeProtocols = List.of("websocket");
    private Duration idleTimeout = Duration.ofMinutes(10);
    private Duration stallTimeout = Duration.ofMinutes(1);
    private final List<PassthroughPath> passthroughPaths = new ArrayList<>();
    private final List<CorsConfiguration> corsConfigurations = new ArrayList<>();
    private @Nullable BearerTokens bearerTokens;
    private ClientCertificate clientCertificate = ClientCertificate.NONE;
    private LegacyAuthentication legacyAuthentication = LegacyAuthentication.FORWARD;
    private final List<AuthenticationContext> authenticationContexts = new ArrayList<>();
    private List<String> identityProviders = List.of();

    private Builder(String id) {
      this.id = Objects.requireNonNull(id, "id");
    }

    /** Where users reach the application, such as {@code https://wiki.example.com/}. */
    public Builder externalUrl(String url) {
      externalUrl = URI.create(url);
      return this;
    }

    /** Where the origin is, such as {@code http://wiki.corp.test:8080/}. */
    public Builder internalUrl(String url) {
      internalUrl = URI.create(url);
      return this;
    }

    /** See {@link Application#alternateUrl()}. */
    public Builder alternateUrl(String url) {
      alternateUrl = URI.create(url);
      return this;
    }

    /** See {@link Application#useAlternateUrlForTranslationAndRedirect()}. */
    public Builder useAlternateUrlForTranslationAndRedirect(boolean use) {
      useAlternateUrl = use;
      return this;
    }

    /** Forwards every request, without sign-in. Default: users are pre-authenticated. */
    public Builder passthrough() {
      externalAuthentication = ExternalAuthentication.PASSTHROUGH;
      return this;
    }

    /**
     * Serves the application through the connectors of this group. Default: the gateway reaches the
     * origin itself.
     */
    public Builder connectorGroup(String group) {
      return connectorGroups(group);
    }

    /**
     * Serves the application through the connectors of these groups, with a preference for those of
     * the gateway's own region. Default: the gateway reaches the origin itself.
     */
    public Builder connectorGroups(String... groups) {
      connectorGroups = List.of(groups);
      return this;
    }

    /**
     * Adds an instance of the origin, of weight 1: {@code http://10.1.2.3:8080}.
     *
     * @throws IllegalArgumentException if it is more or less than a scheme, a host and a port
     */
    public Builder originInstance(String url) {
      return originInstance(url, 1);
    }

    /**
     * Adds an instance of the origin; if it is the one of the internal URL, sets its weight.
     *
     * @throws IllegalArgumentException as {@link OriginInstance} does
     */
    public Builder originInstance(String url, int weight) {
      originInstances.add(new OriginInstance(URI.create(url), weight));
      return this;
    }

    /** Adds users that may use the application. */
    public Builder assignUsers(String... names) {
      users.addAll(List.of(names));
      return this;
    }

    /** Adds groups whose members may use the application. */
    public Builder assignGroups(String... names) {
      groups.addAll(List.of(names));
      return this;
    }

    /** Assigns every user who can sign in. */
    public Builder assignEveryone() {
      everyone = true;
      return this;
    }

    /**
     * Adds headers that tell a claim as it is: header name to claim name. Default: no header.
     *
     * @throws IllegalArgumentException as {@link HeaderMapping} does
     */
    public Builder headerSignOn(Map<String, String> headerToClaim) {
      headerToClaim.forEach((header, claim) -> headers.add(HeaderMapping.of(header, claim)));
      return this;
    }

    /** Adds headers that tell the origin something of the user. Default: no header. */
    public Builder headerSignOn(HeaderMapping... mappings) {
      headers.addAll(List.of(mappings));
      return this;
    }

    /** Has the gateway sign who the user is, with the defaults. Default: nothing is signed. */
    public Builder signedAssertion() {
      return signedAssertion(SignedAssertion.defaults());
    }

    /** Has the gateway sign who the user is. Default: nothing is signed. */
    public Builder signedAssertion(SignedAssertion what) {
      signedAssertion = Objects.requireNonNull(what, "what");
      return this;
    }

    /**
     * Has the connector, or the gateway of a direct origin, sign users on to this service, by
     * Kerberos with the defaults. Default: no ticket.
     */
    public Builder kerberosSignOn(String servicePrincipalName) {
      return kerberosSignOn(KerberosDelegation.to(servicePrincipalName));
    }

    /** Has users signed on by Kerberos. Default: no ticket. */
    public Builder kerberosSignOn(KerberosDelegation delegation) {
      kerberos = Objects.requireNonNull(delegation, "delegation");
      return this;
    }

    /**
     * Has the connector, or the gateway of a direct origin, sign users on with passwords of a store
     * of secrets. Default: none.
     */
    public Builder basicSignOn(BasicAuthentication accounts) {
      basic = Objects.requireNonNull(accounts, "accounts");
      return this;
    }

    /** Has the origin get an access token of each user. Default: none. */
    public Builder tokenSignOn(OriginToken which) {
      token = Objects.requireNonNull(which, "which");
      return this;
    }

    /** See {@link Application#applicationServerTimeout()}. Default: 85 s. */
    public Builder applicationServerTimeout(Duration timeout) {
      applicationServerTimeout = timeout;
      return this;
    }

    /** See {@link Application#loadBalancing()}. Default: {@link LoadBalancing#defaults()}. */
    public Builder loadBalancing(LoadBalancing settings) {
      loadBalancing = Objects.requireNonNull(settings, "settings");
      return this;
    }

    /** See {@link Application#backendCertificateValidation()}. Default: true. */
    public Builder backendCertificateValidation(boolean validate) {
      backendCertificateValidation = validate;
      return this;
    }

    /** See {@link Application#httpOnlyCookie()}. Default: true. */
    public Builder httpOnlyCookie(boolean httpOnly) {
      httpOnlyCookie = httpOnly;
      return this;
    }

    /** See {@link Application#secureCookie()}. Default: true. */
    public Builder secureCookie(boolean secure) {
      secureCookie = secure;
      return this;
    }

    /** See {@link Application#persistentCookie()}. Default: false. */
    public Builder persistentCookie(boolean persistent) {
      persistentCookie = persistent;
      return this;
    }

    /** See {@link Application#translateHostHeader()}. Default: true. */
    public Builder translateHostHeader(boolean translate) {
      translateHostHeader = translate;
      return this;
    }

    /** See {@link Application#translateLinksInBody()}. Default: false. */
    public Builder translateLinksInBody(boolean translate) {
      translateLinksInBody = translate;
      return this;
    }

    /** See {@link Application#stateSession()}. Default: true. */
    public Builder stateSession(boolean state) {
      stateSession = state;
      return this;
    }

    /** See {@link Application#continuousAccessEvaluation()}. Default: false. */
    public Builder continuousAccessEvaluation(boolean evaluate) {
      continuousAccessEvaluation = evaluate;
      return this;
    }

    /** See {@link Application#segments()}. Default: none. */
    public Builder segments(List<URI> urls) {
      segments = List.copyOf(urls);
      return this;
    }

    /** See {@link Application#customDomainCertificate()}. Default: none. */
    public Builder customDomainCertificate(String pem) {
      customDomainCertificate = pem;
      return this;
    }

    /** See {@link Application#originProtocol()}. Default: {@link OriginProtocol#HTTP_1_1}. */
    public Builder originProtocol(OriginProtocol protocol) {
      originProtocol = Objects.requireNonNull(protocol, "protocol");
      return this;
    }

    /** See {@link Application#upgradeProtocols()}. Default: {@code websocket}. */
    public Builder upgradeProtocols(String... protocols) {
      upgradeProtocols = List.of(protocols);
      return this;
    }

    /** See {@link Application#idleTimeout()}. Default: 10 minutes. */
    public Builder idleTimeout(Duration timeout) {
      idleTimeout = timeout;
      return this;
    }

    /** See {@link Application#stallTimeout()}. Default: 1 minute. */
    public Builder stallTimeout(Duration timeout) {
      stallTimeout = timeout;
      return this;
    }

    /** See {@link Application#identityProviders()}. Default: any provider of the gateway. */
    public Builder identityProviders(String... names) {
      identityProviders = List.of(names);
      return this;
    }

    /**
     * Demands an authentication context of requests to this path and what is below it: of those
     * methods, or, if none is named, of all. {@code requireAuthenticationContext("c1", "/admin")}.
     *
     * @throws IllegalArgumentException as {@link AuthenticationContext} does
     */
    public Builder requireAuthenticationContext(String context, String path, String... methods) {
      authenticationContexts.add(new AuthenticationContext(context, path, List.of(methods)));
      return this;
    }

    /**
     * Forwards requests of these methods to this very path without sign-in: {@code
     * passthroughPath("/health", "GET", "HEAD")}. Default: none.
     *
     * @throws IllegalArgumentException as {@link PassthroughPath} does
     */
    public Builder passthroughPath(String path, String... methods) {
      passthroughPaths.add(new PassthroughPath(path, false, List.of(methods)));
      return this;
    }

    /**
     * Forwards requests of these methods to this path and all that is below it without sign-in:
     * {@code passthroughBelow("/hooks", "POST")}. Default: none.
     *
     * @throws IllegalArgumentException as {@link PassthroughPath} does
     */
    public Builder passthroughBelow(String path, String... methods) {
      passthroughPaths.add(new PassthroughPath(path, true, List.of(methods)));
      return this;
    }

    /** Adds a configuration, see {@link Application#corsConfigurations()}. Default: none. */
    public Builder cors(CorsConfiguration configuration) {
      corsConfigurations.add(Objects.requireNonNull(configuration, "configuration"));
      return this;
    }

    /** See {@link Application#bearerTokens()}. Default: no token counts. */
    public Builder bearerTokens(BearerTokens settings) {
      bearerTokens = Objects.requireNonNull(settings, "settings");
      return this;
    }

    /** See {@link Application#clientCertificate()}. Default: {@link ClientCertificate#NONE}. */
    public Builder clientCertificate(ClientCertificate asked) {
      clientCertificate = Objects.requireNonNull(asked, "asked");
      return this;
    }

    /**
     * See {@link Application#legacyAuthentication()}. Default: {@link
     * LegacyAuthentication#FORWARD}.
     */
    public Builder legacyAuthentication(LegacyAuthentication what) {
      legacyAuthentication = Objects.requireNonNull(what, "what");
      return this;
    }

    /**
     * The application.
     *
     * @throws NullPointerException if a URL is missing
     * @throws IllegalArgumentException if a value is bad or would have no effect; the message names
     *     setting, value and rule
     */
    public Application build() {
      return new Application(
          id,
          Objects.requireNonNull(externalUrl, "externalUrl"),
          Objects.requireNonNull(internalUrl, "internalUrl"),
          alternateUrl,
          useAlternateUrl,
          externalAuthentication,
          originInstances,
          connectorGroups,
          new Assignments(users, groups, everyone),
          new SingleSignOn(headers, signedAssertion, kerberos, basic, token),
          applicationServerTimeout,
          loadBalancing,
          backendCertificateValidation,
          httpOnlyCookie,
          secureCookie,
          persistentCookie,
          translateHostHeader,
          translateLinksInBody,
          stateSession,
          continuousAccessEvaluation,
          segments,
          customDomainCertificate,
          originProtocol,
          upgradeProtocols,
          idleTimeout,
          stallTimeout,
          authenticationContexts,
          identityProviders,
          passthroughPaths,
          corsConfigurations,
          bearerTokens,
          clientCertificate,
          legacyAuthentication);
    }
  }
}

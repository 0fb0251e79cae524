package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * An OpenID provider that may sign users in, and how it knows this gateway. Immutable; {@link
 * #toString()} tells no secret.
 *
 * <p>Applications name the providers of their users ({@code Application.identityProviders}). A
 * provider with a name has a redirect URI of its own, {@code https://<host of each
 * application>/.apprxy/callback/<name>}, so that no response of one can be taken for another's (RFC
 * 9700 §4.4.2.2).
 */
public final class OidcProvider {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

  /** As Entra ID writes it. */
  private static final String TENANT = "{tenantid}";

  private final String name;
  private final String title;
  private final String issuer;
  private final Set<String> tenants;
  private final @Nullable URI metadata;
  private final @Nullable GroupSource groups;
  private final OidcClient client;
  private final Map<String, OidcClient> clients;
  private final Set<String> hosts;
  private final @Nullable String domainHint;
  private final Set<JWSAlgorithm> algorithms;
  private final Duration clockSkew;
  private final Duration timeout;
  private final @Nullable SSLContext trust;
  private final boolean introspectTokens;

  private OidcProvider(Builder settings, String issuer, OidcClient client) {
    this.name = settings.name;
    this.title = settings.title;
    this.issuer = issuer;
    this.tenants = Set.copyOf(settings.tenants);
    this.metadata = settings.metadata;
    this.groups = settings.groups;
    this.client = client;
    this.clients = Map.copyOf(settings.clients);
    this.hosts = Set.copyOf(settings.hosts);
    this.domainHint = settings.domainHint;
    this.algorithms = Set.copyOf(settings.algorithms);
    this.clockSkew = settings.clockSkew;
    this.timeout = settings.timeout;
    this.trust = settings.trust;
    this.introspectTokens = settings.introspectTokens;
  }

  /**
   * A builder with the defaults.
   *
   * @param name how applications name it; part of its redirect URI
   * @throws IllegalArgumentException unless it is 1 to 64 letters, digits or {@code . _ -}, and
   *     begins with a letter or digit
   */
  public static Builder builder(String name) {
    Settings.require(
        NAME.matcher(name).matches(),
        "the name of a provider",
        name,
        "1 to 64 letters, digits or . _ -, and begin with a letter or digit");
    return new Builder(name);
  }

  /** The only one of a gateway, which nobody has to name. */
  static Builder unnamed() {
    return new Builder("");
  }

  /** How applications name it; empty for the only one of a gateway that gave it none. */
  public String name() {
    return name;
  }

  /** The provider's issuer identifier, with {@code {tenantid}} in it if it has many tenants. */
  public String issuer() {
    return issuer;
  }

  /** Whether it may call itself so: as configured, or as one of its tenants that are allowed. */
  boolean isIssuer(@Nullable String name) {
    return tenants.isEmpty()
        ? issuer.equals(name)
        : tenants.stream().anyMatch(tenant -> issuerOf(tenant).equals(name));
  }

  /** Whether a token of this issuer may be of this tenant ({@code tid}), or of none. */
  boolean isTenant(String name, @Nullable String tenant) {
    return tenants.isEmpty()
        || (tenant != null && tenants.contains(tenant) && issuerOf(tenant).equals(name));
  }

  private String issuerOf(String tenant) {
    return issuer.replace(TENANT, tenant);
  }

  /** Where its metadata is (OpenID Connect Discovery §4). */
  URI metadata() {
    if (metadata != null) {
      return metadata;
    }
    String whole = issuer.replace(TENANT, "organizations");
    return URI.create(
        (whole.endsWith("/") ? whole.substring(0, whole.length() - 1) : whole)
            + "/.well-known/openid-configuration");
  }

  /** Whom to ask for groups that a token does not hold, or null. */
  @Nullable GroupSource groups() {
    return groups;
  }

  /** What users know it by. */
  String title() {
    return title;
  }

  /** How it knows this gateway when a user signs in to this application. */
  OidcClient client(@Nullable String application) {
    OidcClient own = application == null ? null : clients.get(application);
    return own == null ? client : own;
  }

  /** Every registration at this provider. */
  List<OidcClient> clients() {
    List<OidcClient> all = new ArrayList<>(clients.values());
    all.add(client);
    return all;
  }

  boolean hasClientFor(String application) {
    return clients.containsKey(application);
  }

  /** The hosts that it is for; empty if it is for any that has none of its own. */
  Set<String> hosts() {
    return hosts;
  }

  @Nullable String domainHint() {
    return domainHint;
  }

  Set<JWSAlgorithm> algorithms() {
    return algorithms;
  }

  /** Whether it is asked about access tokens that are no JWT. */
  boolean introspectsTokens() {
    return introspectTokens;
  }

  Duration clockSkew() {
    return clockSkew;
  }

  /** For one exchange with the provider, from the connection to the last byte. */
  Duration timeout() {
    return timeout;
  }

  @Nullable SSLContext trust() {
    return trust;
  }

  /**
   * Whether an endpoint may be used: https, or plain text on the loopback interface if the issuer
   * is there too. A provider that is reached with TLS cannot send the code or the secret elsewhere
   * in the clear.
   */
  boolean trusts(@Nullable URI endpoint) {
    return endpoint != null
        && endpoint.getHost() != null
        && endpoint.getRawFragment() == null
        && endpoint.getRawUserInfo() == null
        && ("https".equalsIgnoreCase(endpoint.getScheme())
            || (isPlainLoopback(endpoint) && isPlainLoopback(metadata())));
  }

  static boolean isPlainLoopback(URI uri) {
    String host = uri.getHost();
    return "http".equalsIgnoreCase(uri.getScheme())
        && host != null
        && (host.equalsIgnoreCase("localhost")
            || host.equals("[::1]")
            || host.matches("127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}"));
  }

  @Override
  public String toString() {
    return "OidcProvider[" + (name.isEmpty() ? "" : name + ", ") + issuer + "]";
  }

  /**
   * Settings. Not thread-safe. Each setter checks at once; {@link #build} checks what belongs
   * together and opens no connection.
   */
  public static final class Builder {
    private static final Set<String> ALGORITHMS =
        Set.of(
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA", "Ed25519");

    private final String name;
    private String title;
    private @Nullable String issuer;
    private final Set<String> tenants = new LinkedHashSet<>();
    private @Nullable URI metadata;
    private @Nullable GroupSource groups;
    private OidcClient.@Nullable Builder clientBuilder;
    private @Nullable OidcClient client;
    private final Map<String, OidcClient> clients = new HashMap<>();
    private final Set<String> hosts = new LinkedHashSet<>();
    private @Nullable String domainHint;
    private @Nullable SSLContext trust;
    private boolean introspectTokens;
    private Set<JWSAlgorithm> algorithms = parse(List.of("RS256", "PS256", "ES256", "EdDSA"));
    private Duration clockSkew = Duration.ofSeconds(60);
    private Duration timeout = Duration.ofSeconds(10);

    private Builder(String name) {
      this.name = name;
      this.title = name;
    }

    /**
     * What users know the provider by, where they choose among several: {@code Contoso staff}.
     * Default: its name.
     *
     * @throws IllegalArgumentException if it is blank or longer than 80 characters
     */
    public Builder title(String text) {
      Settings.require(
          !text.isBlank() && text.length() <= 80, "title", text, "1 to 80 characters, not blank");
      title = text;
      return this;
    }

    /**
     * The provider's issuer identifier, exactly as in its metadata and tokens. Required. One for
     * many tenants has {@code {tenantid}} in it, as in Entra ID's metadata: {@code
     * https://login.microsoftonline.com/{tenantid}/v2.0}; see {@link #tenants}.
     *
     * @throws IllegalArgumentException unless it is an https URL without query and fragment; http
     *     is taken for {@code localhost}, {@code 127.x.x.x} and {@code [::1]}
     */
    public Builder issuer(String url) {
      checkUrl("issuer", url, url.replace(TENANT, "tenant"));
      issuer = url;
      return this;
    }

    /**
     * The tenants whose users may sign in, where the issuer is one for many: the directory ids that
     * stand in the place of {@code {tenantid}}. Required with such an issuer, since anybody can
     * have a tenant there; useless with another.
     *
     * @throws IllegalArgumentException if one is no id of 1 to 64 letters, digits, {@code . -}
     */
    public Builder tenants(String... ids) {
      for (String id : ids) {
        Settings.require(
            id.matches("[A-Za-z0-9][A-Za-z0-9.-]{0,63}"), "tenants", id, "ids of directories");
        tenants.add(id);
      }
      return this;
    }

    /**
     * Where the metadata is, if it is not where the issuer is: for tokens of version 1 of Entra ID,
     * {@code https://login.microsoftonline.com/<tenant>/.well-known/openid-configuration}. The
     * issuer that it names must be the one that is configured. Default: below the issuer (OpenID
     * Connect Discovery §4), at {@code organizations} for an issuer of many tenants.
     *
     * @throws IllegalArgumentException as {@link #issuer} does
     */
    public Builder metadata(String url) {
      metadata = checkUrl("metadata", url, url);
      return this;
    }

    /**
     * Whom to ask for the groups of a user who has more than a token can hold (Entra ID's overage).
     * Default: nobody, so that such a user cannot sign in: a policy for a group could not be held
     * against them.
     */
    public Builder groups(GroupSource source) {
      groups = Objects.requireNonNull(source, "source");
      return this;
    }

    static URI checkUrl(String setting, String url, String plain) {
      URI uri;
      try {
        uri = URI.create(plain);
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException(setting + " must be a URL: " + url, e);
      }
      boolean secure = "https".equalsIgnoreCase(uri.getScheme()) || isPlainLoopback(uri);
      Settings.require(
          secure
              && uri.getHost() != null
              && uri.getRawQuery() == null
              && uri.getRawFragment() == null
              && uri.getRawUserInfo() == null,
          setting,
          url,
          "an https URL (http only for loopback hosts) without user, query and fragment");
      return uri;
    }

    /** One that is built when this is. */
    Builder client(OidcClient.Builder registration) {
      clientBuilder = registration;
      return this;
    }

    /** How the provider knows this gateway. Required. */
    public Builder client(OidcClient registration) {
      client = Objects.requireNonNull(registration, "registration");
      return this;
    }

    /**
     * How the provider knows this gateway when a user signs in to one application: with an id,
     * scopes and claims of its own. A session counts only where the client is the one that it began
     * with. Default: {@link #client(OidcClient)} for every application.
     *
     * @param application the id of the application
     */
    public Builder client(String application, OidcClient registration) {
      clients.put(
          Objects.requireNonNull(application, "application"),
          Objects.requireNonNull(registration, "registration"));
      return this;
    }

    /**
     * Signs in the users of these hosts, and of no other. On a host that a provider is for, those
     * that are for no certain host sign nobody in. Default: none, so that it is for every host that
     * no other provider is for.
     *
     * @throws IllegalArgumentException if one is no host name
     */
    public Builder hosts(String... names) {
      for (String host : names) {
        Settings.require(
            host.matches("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\]"),
            "hosts",
            host,
            "host names without a port");
        hosts.add(host.toLowerCase(Locale.ROOT));
      }
      return this;
    }

    /**
     * Tells the provider which domain the users are of, so that it need not ask ({@code
     * domain_hint}, as Entra ID knows it). Default: none.
     *
     * @throws IllegalArgumentException if it is no domain name
     */
    public Builder domainHint(String domain) {
      Settings.require(
          domain.matches("[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"),
          "domainHint",
          domain,
          "a domain name");
      domainHint = domain;
      return this;
    }

    /**
     * Asks the provider about access tokens that are no JWT, which only it can judge (RFC 7662):
     * with the proof of the client, once in a minute at most for each token. Of several providers
     * of an application only one may be asked, since a token does not say whose it is. Default:
     * such tokens are refused.
     */
    public Builder introspectTokens() {
      introspectTokens = true;
      return this;
    }

    /**
     * The signature algorithms of ID tokens that are accepted, whatever the provider announces (RFC
     * 8725 §3.1). Default: {@code RS256 PS256 ES256 EdDSA}.
     *
     * @throws IllegalArgumentException if there is none, or one is not asymmetric or not known here
     */
    public Builder algorithms(String... names) {
      Settings.require(names.length > 0, "algorithms", "(none)", "at least one");
      algorithms = parse(List.of(names));
      return this;
    }

    private static Set<JWSAlgorithm> parse(List<String> names) {
      for (String name : names) {
        Settings.require(
            ALGORITHMS.contains(name),
            "algorithms",
            name,
            "RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519");
      }
      return names.stream()
          .map(JWSAlgorithm::parse)
          .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /**
     * Whom to trust as the provider, and perhaps a client certificate. Default: the JDK's
     * certificate authorities.
     */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "trust");
      return this;
    }

    /**
     * How far the provider's clock may differ. Default: 60 s.
     *
     * @throws IllegalArgumentException unless it is from 0 to 10 minutes
     */
    public Builder clockSkew(Duration skew) {
      Settings.require(
          !skew.isNegative() && skew.compareTo(Duration.ofMinutes(10)) <= 0,
          "clockSkew",
          skew,
          "from 0 to 10 minutes");
      clockSkew = skew;
      return this;
    }

    /**
     * How long one answer of the provider may take, to its last byte. Default: 10 s.
     *
     * @throws IllegalArgumentException unless it is from 1 ms to 2 minutes
     */
    public Builder timeout(Duration wait) {
      Settings.require(
          wait.toMillis() > 0 && wait.compareTo(Duration.ofMinutes(2)) <= 0,
          "timeout",
          wait,
          "from 1 ms to 2 minutes");
      timeout = wait;
      return this;
    }

    /**
     * The provider, not looked for yet.
     *
     * @throws IllegalStateException if issuer or client is missing, or the tenants of an issuer for
     *     many are, or tenants have no place in the issuer
     */
    public OidcProvider build() {
      if (issuer == null) {
        throw new IllegalStateException("issuer is missing: it is required");
      }
      if (issuer.contains(TENANT) == tenants.isEmpty()) {
        throw new IllegalStateException(
            tenants.isEmpty()
                ? "tenants are missing: anybody can have one at " + issuer
                : "tenants have no place in the issuer: write {tenantid} there");
      }
      OidcClient registration = clientBuilder == null ? client : clientBuilder.build();
      if (registration == null) {
        throw new IllegalStateException("client is missing: it is required");
      }
      return new OidcProvider(this, issuer, registration);
    }
  }
}

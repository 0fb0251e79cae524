package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Asks Microsoft Graph for the groups of a user, in the gateway's own name: {@code POST
 * /v1.0/users/{oid}/getMemberObjects}, direct and nested ones. The application needs the permission
 * {@code GroupMember.Read.All} in each tenant. Thread-safe; blocks for a few round trips.
 */
public final class GraphGroups implements GroupSource {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Pattern ID = Pattern.compile("[0-9A-Fa-f-]{36}");
  private static final Duration EARLY = Duration.ofMinutes(1);

  private final ClientID id;
  private final Secret secret;
  private final String login;
  private final String graph;
  private final Set<String> only;
  private final Clock clock;
  private final ProviderHttp http;

  /** By tenant: what a token is good for, and until when. */
  private final Map<String, Token> tokens = new ConcurrentHashMap<>();

  private record Token(AccessToken value, Instant until) {}

  private GraphGroups(Builder settings) {
    this.id = settings.id;
    this.secret = settings.secret;
    this.login = settings.login;
    this.graph = settings.graph;
    this.only = Set.copyOf(settings.only);
    this.clock = settings.clock;
    this.http = new ProviderHttp(settings.trust, settings.timeout);
  }

  /**
   * A builder with the defaults.
   *
   * @param clientId of the application that may read groups
   * @throws IllegalArgumentException if one is blank
   */
  public static Builder builder(String clientId, String clientSecret) {
    return new Builder(clientId, clientSecret);
  }

  @Override
  public List<String> groupsOf(Map<String, Object> claims) {
    String user = uuid(claims, "oid");
    String tenant = uuid(claims, "tid");
    HTTPRequest request =
        new HTTPRequest(
            HTTPRequest.Method.POST,
            URI.create(graph + "/v1.0/users/" + user + "/getMemberObjects"));
    request.setAuthorization(token(tenant).toAuthorizationHeader());
    request.setHeader("Content-Type", "application/json");
    request.setBody("{\"securityEnabledOnly\":false}");
    HTTPResponse response = http.send(request);
    if (response.getStatusCode() != 200) {
      tokens.remove(tenant); // if it was the token, the next sign-in gets another
      throw new GatewayException(
          ErrorCode.GROUPS_UNKNOWN, "Graph answered " + response.getStatusCode() + " for groups");
    }
    return groups(response);
  }

  private List<String> groups(HTTPResponse response) {
    List<String> groups = new ArrayList<>();
    try {
      JsonNode answer = JSON.readTree(response.getBody());
      if (!answer.path("value").isArray() || answer.has("@odata.nextLink")) {
        throw new GatewayException(
            ErrorCode.GROUPS_UNKNOWN, "Graph did not answer with the whole list of groups");
      }
      for (JsonNode group : answer.path("value")) {
        String name = group.asString();
        if (only.isEmpty() || only.contains(name)) {
          groups.add(name);
        }
      }
    } catch (JacksonException e) {
      throw new GatewayException(ErrorCode.GROUPS_UNKNOWN, "Graph's groups cannot be read", e);
    }
    return List.copyOf(groups);
  }

  private AccessToken token(String tenant) {
    Token known = tokens.get(tenant);
    if (known != null && clock.instant().isBefore(known.until())) {
      return known.value();
    }
    TokenRequest request =
        new TokenRequest.Builder(
                URI.create(login + "/" + tenant + "/oauth2/v2.0/token"),
                new ClientSecretPost(id, secret),
                new ClientCredentialsGrant())
            .scope(new Scope(graph + "/.default"))
            .build();
    try {
      TokenResponse response = TokenResponse.parse(http.send(request.toHTTPRequest()));
      if (!response.indicatesSuccess()) {
        throw new GatewayException(
            ErrorCode.GROUPS_UNKNOWN,
            "no token for Graph: "
                + Untrusted.text(response.toErrorResponse().getErrorObject().getCode()));
      }
      AccessToken token = response.toSuccessResponse().getTokens().getAccessToken();
      Duration lifetime = Duration.ofSeconds(token.getLifetime()).minus(EARLY);
      tokens.put(tenant, new Token(token, clock.instant().plus(lifetime)));
      return token;
    } catch (ParseException e) {
      throw new GatewayException(ErrorCode.GROUPS_UNKNOWN, "the token for Graph is none", e);
    }
  }

  private static String uuid(Map<String, Object> claims, String name) {
    if (claims.get(name) instanceof String id && ID.matcher(id).matches()) {
      return id;
    }
    throw new GatewayException(ErrorCode.GROUPS_UNKNOWN, "the token has no " + name);
  }

  /** Settings. Not thread-safe. Each setter checks at once. */
  public static final class Builder {
    private final ClientID id;
    private final Secret secret;
    private String login = "https://login.microsoftonline.com";
    private String graph = "https://graph.microsoft.com";
    private List<String> only = List.of();
    private Clock clock = Clock.systemUTC();
    private Duration timeout = Duration.ofSeconds(10);
    private @Nullable SSLContext trust;

    private Builder(String clientId, String clientSecret) {
      Settings.require(!clientId.isBlank(), "clientId", clientId, "not blank");
      Settings.require(!clientSecret.isBlank(), "clientSecret", "(blank)", "not blank");
      id = new ClientID(clientId);
      secret = new Secret(clientSecret);
    }

    /**
     * The cloud, if it is a national one: where to get tokens, and where Graph is. Default: {@code
     * https://login.microsoftonline.com} and {@code https://graph.microsoft.com}.
     *
     * @throws IllegalArgumentException unless both are https URLs without a path; http is taken for
     *     loopback hosts
     */
    public Builder cloud(String loginUrl, String graphUrl) {
      login = plain("login", loginUrl);
      graph = plain("graph", graphUrl);
      return this;
    }

    private static String plain(String setting, String url) {
      URI uri = OidcProvider.Builder.checkUrl(setting, url, url);
      Settings.require(uri.getRawPath().isEmpty(), setting, url, "without a path");
      return url;
    }

    /**
     * Keeps these groups alone, by id, so that a session has room for them: name those that
     * applications and policies do. Default: all.
     */
    public Builder only(String... groups) {
      only = List.of(groups);
      return this;
    }

    /** How long one answer may take, to its last byte. Default: 10 s. */
    public Builder timeout(Duration wait) {
      Settings.require(
          wait.toMillis() > 0 && wait.compareTo(Duration.ofMinutes(2)) <= 0,
          "timeout",
          wait,
          "from 1 ms to 2 minutes");
      timeout = wait;
      return this;
    }

    /** Whom to trust. Default: the JDK's certificate authorities. */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "context");
      return this;
    }

    /** The time. Default: the system's clock. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "time");
      return this;
    }

    /** The source. */
    public GraphGroups build() {
      return new GraphGroups(this);
    }
  }
}

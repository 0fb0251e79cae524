package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.pkce.CodeChallenge;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Clock;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import tools.jackson.databind.json.JsonMapper;

/**
 * An OpenID provider over HTTP on the loopback interface, which does as it is told: honest until a
 * test bends it.
 */
final class TestProvider implements AutoCloseable {
  static final String CLIENT = "apprxy test";
  static final String SECRET = "s3cret:with/odd+characters";

  private static final JsonMapper JSON = new JsonMapper();
  static final RSAKey RSA = rsa("rsa");
  static final RSAKey OTHER_RSA = rsa("other");
  static final ECKey EC = ec();
  static final KeyPair ED = ed();

  final AtomicInteger metadataFetches = new AtomicInteger();
  final AtomicInteger keyFetches = new AtomicInteger();
  final AtomicInteger tokenRequests = new AtomicInteger();
  final AtomicInteger introspections = new AtomicInteger();

  // What a test may bend.
  final Clock clock;
  volatile JWSAlgorithm algorithm = JWSAlgorithm.RS256;
  volatile String kid;
  volatile Consumer<Map<String, Object>> metadata = map -> {};
  volatile Consumer<Map<String, Object>> claims = map -> {};
  volatile UnaryOperator<String> token = UnaryOperator.identity();
  volatile List<JWK> keys = List.of(RSA, EC, edJwk());
  volatile String issuerParameter;
  volatile String tokenError;
  volatile UnaryOperator<String> introspection = asked -> "{\"active\":false}";
  volatile String subject = "4711";

  /** Whether every client is believed, whatever it proves. */
  volatile boolean believesClients;

  /** What came last: a form, and the proof in its header. */
  volatile Map<String, List<String>> lastForm;

  volatile String lastAuthorization;
  final AtomicInteger refreshes = new AtomicInteger();
  final Set<String> refreshTokens = ConcurrentHashMap.newKeySet();
  volatile Runnable beforeRefresh = () -> {};
  volatile String refreshError = "invalid_grant";
  final AtomicInteger exchanges = new AtomicInteger();

  /** What the provider says to an exchange: error, or what the new token is. */
  volatile String exchangeError;

  volatile Consumer<Map<String, Object>> exchanged = map -> {};
  volatile Runnable beforeExchange = () -> {};

  /** Of a sign-in. */
  volatile String accessToken = "unused";

  volatile boolean givesRefreshTokens = true;
  final AtomicInteger pushes = new AtomicInteger();
  volatile String pushError;

  /** Confidential clients beside {@link #CLIENT}: id to secret. */
  final Map<String, String> otherClients = new ConcurrentHashMap<>();

  private final HttpServer server;
  private final ExecutorService threads = Executors.newFixedThreadPool(4);
  private final Map<String, Map<String, List<String>>> codes = new ConcurrentHashMap<>();
  private final Map<String, Map<String, List<String>>> pushed = new ConcurrentHashMap<>();

  TestProvider(Clock clock) throws IOException {
    this.clock = clock;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/.well-known/openid-configuration", this::serveMetadata);
    server.createContext("/keys", this::serveKeys);
    server.createContext("/token", this::serveToken);
    server.createContext("/introspect", this::serveIntrospection);
    server.createContext("/par", this::servePush);
    server.start();
    issuerParameter = issuer();
  }

  String issuer() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  /** What the user's sign-in at the provider ends with: the URL to which the browser is sent. */
  URI authorize(URI request) {
    Map<String, List<String>> parameters = asked(request);
    String code = UUID.randomUUID().toString();
    codes.put(code, parameters);
    return callback(parameters, "code=" + code);
  }

  /** What is asked for: in the address, pushed before (RFC 9126), or signed (RFC 9101). */
  Map<String, List<String>> asked(URI request) {
    Map<String, List<String>> parameters = URLUtils.parseParameters(request.getRawQuery());
    if (parameters.containsKey("request_uri")) {
      parameters = pushed.remove(one(parameters, "request_uri"));
    }
    if (parameters.containsKey("request")) {
      try {
        Map<String, List<String>> claims = new LinkedHashMap<>();
        SignedJWT.parse(one(parameters, "request"))
            .getJWTClaimsSet()
            .getClaims()
            .forEach((name, value) -> claims.put(name, List.of(String.valueOf(value))));
        return claims;
      } catch (java.text.ParseException e) {
        throw new IllegalStateException(e);
      }
    }
    return parameters;
  }

  URI refuse(URI request, String error) {
    return callback(
        URLUtils.parseParameters(request.getRawQuery()),
        "error=" + error + "&error_description=%3Cscript%3E%0d%0aforged");
  }

  private URI callback(Map<String, List<String>> parameters, String result) {
    String iss =
        issuerParameter == null
            ? ""
            : "&iss=" + URLEncoder.encode(issuerParameter, StandardCharsets.UTF_8);
    return URI.create(
        one(parameters, "redirect_uri")
            + "?"
            + result
            + "&state="
            + one(parameters, "state")
            + iss);
  }

  static String one(Map<String, List<String>> parameters, String name) {
    return parameters.get(name).get(0);
  }

  private void serveMetadata(HttpExchange exchange) throws IOException {
    metadataFetches.incrementAndGet();
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("issuer", issuer());
    map.put("authorization_endpoint", issuer() + "/authorize?tenant=1");
    map.put("token_endpoint", issuer() + "/token");
    map.put("jwks_uri", issuer() + "/keys");
    map.put("introspection_endpoint", issuer() + "/introspect");
    map.put("pushed_authorization_request_endpoint", issuer() + "/par");
    map.put("end_session_endpoint", issuer() + "/logout");
    map.put("response_types_supported", List.of("code"));
    map.put("subject_types_supported", List.of("public"));
    map.put("id_token_signing_alg_values_supported", List.of("RS256"));
    map.put("authorization_response_iss_parameter_supported", true);
    metadata.accept(map);
    answer(exchange, 200, JSON.writeValueAsString(map));
  }

  private void serveKeys(HttpExchange exchange) throws IOException {
    keyFetches.incrementAndGet();
    answer(exchange, 200, new JWKSet(keys).toString(true));
  }

  private void servePush(HttpExchange exchange) throws IOException {
    Map<String, List<String>> form =
        URLUtils.parseParameters(
            new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
    lastForm = form;
    lastAuthorization = exchange.getRequestHeaders().getFirst("Authorization");
    pushes.incrementAndGet();
    if (pushError != null || !isClient(exchange, form)) {
      answer(exchange, 400, "{\"error\":\"" + pushError + "\"}");
      return;
    }
    String reference = "urn:ietf:params:oauth:request_uri:" + UUID.randomUUID();
    pushed.put(reference, form);
    answer(exchange, 201, "{\"request_uri\":\"" + reference + "\",\"expires_in\":60}");
  }

  private void serveIntrospection(HttpExchange exchange) throws IOException {
    introspections.incrementAndGet();
    Map<String, List<String>> form =
        URLUtils.parseParameters(
            new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
    if (!isClient(exchange, form)) {
      answer(exchange, 401, "{\"error\":\"invalid_client\"}");
    } else {
      String said = introspection.apply(one(form, "token"));
      answer(exchange, said == null ? 500 : 200, said == null ? "" : said);
    }
  }

  private void serveToken(HttpExchange exchange) throws IOException {
    tokenRequests.incrementAndGet();
    Map<String, List<String>> form =
        URLUtils.parseParameters(
            new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
    lastForm = form;
    lastAuthorization = exchange.getRequestHeaders().getFirst("Authorization");
    if (one(form, "grant_type").equals("refresh_token")) {
      serveRefresh(exchange, one(form, "refresh_token"));
      return;
    }
    if (!one(form, "grant_type").equals("authorization_code")) {
      serveExchange(exchange, form);
      return;
    }
    Map<String, List<String>> request = codes.remove(one(form, "code"));
    if (tokenError != null) {
      answer(exchange, 400, "{\"error\":\"" + tokenError + "\"}");
    } else if (!isClient(exchange, form)) {
      answer(exchange, 401, "{\"error\":\"invalid_client\"}");
    } else if (request == null
        || !one(request, "redirect_uri").equals(one(form, "redirect_uri"))
        || !isProven(request, form)) {
      answer(exchange, 400, "{\"error\":\"invalid_grant\"}");
    } else {
      Map<String, Object> tokens = new LinkedHashMap<>();
      tokens.put("access_token", accessToken);
      tokens.put("token_type", "Bearer");
      tokens.put("expires_in", 300);
      tokens.put("id_token", token.apply(idToken(request)));
      if (givesRefreshTokens) {
        tokens.put("refresh_token", refreshToken());
      }
      answer(exchange, 200, JSON.writeValueAsString(tokens));
    }
  }

  /** RFC 8693, and Entra's On-Behalf-Of. */
  private void serveExchange(HttpExchange exchange, Map<String, List<String>> form)
      throws IOException {
    int number = exchanges.incrementAndGet();
    try {
      beforeExchange.run();
    } catch (RuntimeException e) {
      answer(exchange, 503, "{}");
      return;
    }
    if (!isClient(exchange, form)) {
      answer(exchange, 401, "{\"error\":\"invalid_client\"}");
    } else if (exchangeError != null) {
      answer(exchange, 400, "{\"error\":\"" + exchangeError + "\"}");
    } else {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("access_token", "exchanged-" + number);
      map.put("issued_token_type", "urn:ietf:params:oauth:token-type:access_token");
      map.put("token_type", "Bearer");
      map.put("expires_in", 600);
      exchanged.accept(map);
      answer(exchange, 200, JSON.writeValueAsString(map));
    }
  }

  private String refreshToken() {
    String token = UUID.randomUUID().toString();
    refreshTokens.add(token);
    return token;
  }

  /** Each is good for once, as of a careful provider. */
  private void serveRefresh(HttpExchange exchange, String token) throws IOException {
    refreshes.incrementAndGet();
    try {
      beforeRefresh.run();
    } catch (RuntimeException e) {
      answer(exchange, 503, "{}");
      return;
    }
    if (!refreshTokens.remove(token)) {
      answer(exchange, 400, "{\"error\":\"" + refreshError + "\"}");
      return;
    }
    answer(
        exchange,
        200,
        JSON.writeValueAsString(
            Map.of(
                "access_token",
                "newer",
                "token_type",
                "Bearer",
                "expires_in",
                300,
                "refresh_token",
                refreshToken())));
  }

  private boolean isClient(HttpExchange exchange, Map<String, List<String>> form) {
    if (believesClients) {
      return true;
    }
    String header = exchange.getRequestHeaders().getFirst("Authorization");
    if (header == null) {
      return form.containsKey("client_secret")
          ? one(form, "client_secret").equals(SECRET) && one(form, "client_id").equals(CLIENT)
          : one(form, "client_id").equals("public");
    }
    return header.equals(basic(CLIENT, SECRET))
        || otherClients.entrySet().stream()
            .anyMatch(other -> header.equals(basic(other.getKey(), other.getValue())));
  }

  private static String basic(String id, String secret) {
    String credentials =
        URLEncoder.encode(id, StandardCharsets.UTF_8)
            + ":"
            + URLEncoder.encode(secret, StandardCharsets.UTF_8);
    return "Basic "
        + Base64.getEncoder().encodeToString(credentials.getBytes(StandardCharsets.UTF_8));
  }

  private static boolean isProven(
      Map<String, List<String>> request, Map<String, List<String>> form) {
    CodeChallenge expected =
        CodeChallenge.compute(
            CodeChallengeMethod.S256, new CodeVerifier(one(form, "code_verifier")));
    return one(request, "code_challenge_method").equals("S256")
        && expected.getValue().equals(one(request, "code_challenge"));
  }

  private String idToken(Map<String, List<String>> request) {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("iss", issuer());
    map.put("sub", subject);
    map.put("aud", one(request, "client_id"));
    map.put("exp", now + 300);
    map.put("iat", now);
    map.put("nonce", one(request, "nonce"));
    map.put("preferred_username", "ada");
    map.put("groups", List.of("mathematicians"));
    claims.accept(map);
    return sign(JSON.writeValueAsString(map));
  }

  String sign(String claims) {
    try {
      String id =
          kid != null
              ? kid
              : Ed25519.ALGORITHMS.contains(algorithm)
                  ? "ed"
                  : algorithm.equals(JWSAlgorithm.ES256) ? "ec" : "rsa";
      JWSObject jws =
          new JWSObject(new JWSHeader.Builder(algorithm).keyID(id).build(), new Payload(claims));
      if (Ed25519.ALGORITHMS.contains(algorithm)) {
        Signature signature = Signature.getInstance("Ed25519");
        signature.initSign(ED.getPrivate());
        signature.update(jws.getSigningInput());
        return new String(jws.getSigningInput(), StandardCharsets.US_ASCII)
            + "."
            + Base64URL.encode(signature.sign());
      }
      jws.sign(
          algorithm.equals(JWSAlgorithm.ES256)
              ? new ECDSASigner(EC)
              : new RSASSASigner(id.equals("other") ? OTHER_RSA : RSA));
      return jws.serialize();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().add("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private static RSAKey rsa(String id) {
    try {
      return new RSAKeyGenerator(2048).keyID(id).generate();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static ECKey ec() {
    try {
      return new ECKeyGenerator(Curve.P_256).keyID("ec").generate();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static KeyPair ed() {
    try {
      return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static OctetKeyPair edJwk() {
    byte[] der = ED.getPublic().getEncoded();
    return new OctetKeyPair.Builder(
            Curve.Ed25519, Base64URL.encode(Arrays.copyOfRange(der, der.length - 32, der.length)))
        .keyID("ed")
        .build();
  }
}

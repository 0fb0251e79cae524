package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import tools.jackson.databind.json.JsonMapper;

/** A client of an application's API, before a pre-authentication. */
final class ApiClient {
  static final ECKey KEY = ec("client");
  static final ECKey OTHER_KEY = ec("another client");
  private static final JsonMapper JSON = new JsonMapper();

  private final PreAuthentication gateway;
  private final Application application;

  ApiClient(PreAuthentication gateway, Application application) {
    this.gateway = gateway;
    this.application = application;
  }

  /**
   * What a request came to.
   *
   * @param identity null unless the request proceeds
   * @param error null unless it was refused
   */
  record Outcome(TestExchange exchange, Identity identity, ErrorCode error, Response response) {
    List<String> challenges() {
      return exchange.responseHeaders().stream()
          .filter(header -> header.name().equals("WWW-Authenticate"))
          .map(Response.Header::value)
          .toList();
    }
  }

  /** A GET that is not sent yet. */
  TestExchange get(String pathAndQuery) {
    return request("GET", pathAndQuery, Map.of());
  }

  TestExchange request(String method, String pathAndQuery, Map<String, String> cookies) {
    return new TestExchange("wiki.example", method, pathAndQuery, Map.of(), cookies, application);
  }

  Outcome bearer(String token) {
    return send(get("/api").withHeader("Authorization", "Bearer " + token));
  }

  Outcome dpop(String token, String proof) {
    return send(get("/api").withHeader("Authorization", "DPoP " + token).withHeader("DPoP", proof));
  }

  Outcome send(TestExchange exchange) {
    return outcome(exchange, () -> gateway.authenticate(exchange));
  }

  /** The request of a client whose token is good, of which a policy demands more. */
  Outcome demand(TestExchange exchange, StepUpRequirement requirement) {
    return outcome(
        exchange,
        () ->
            settle(gateway.authenticate(exchange)) instanceof Verdict.Proceed
                ? gateway.stepUp(exchange, requirement)
                : Verdict.answer(Response.of(500)));
  }

  private interface Step {
    Verdict take();
  }

  private static Outcome outcome(TestExchange exchange, Step step) {
    try {
      Verdict verdict = settle(step.take());
      return verdict instanceof Verdict.Answer answer
          ? new Outcome(exchange, null, null, answer.response())
          : new Outcome(exchange, exchange.identity(), null, null);
    } catch (GatewayException e) {
      return new Outcome(exchange, null, e.code(), null);
    }
  }

  static Verdict settle(Verdict verdict) {
    Verdict settled = verdict;
    while (settled instanceof Verdict.Later later) {
      try {
        settled = later.outcome().toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
      } catch (CompletionException e) {
        if (e.getCause() instanceof RuntimeException cause) {
          throw cause;
        }
        throw e;
      }
    }
    return settled;
  }

  /** A proof of {@link #KEY} for a GET of {@code https://wiki.example/api}. */
  static String proof(String token, Instant now, Consumer<Map<String, Object>> bend) {
    return proof(
        KEY,
        new JWSHeader.Builder(JWSAlgorithm.ES256)
            .type(new JOSEObjectType("dpop+jwt"))
            .jwk(KEY.toPublicJWK())
            .build(),
        token,
        now,
        bend);
  }

  static String proof(
      ECKey key, JWSHeader header, String token, Instant now, Consumer<Map<String, Object>> bend) {
    Map<String, Object> claims = new LinkedHashMap<>();
    claims.put("jti", UUID.randomUUID().toString());
    claims.put("htm", "GET");
    claims.put("htu", "https://wiki.example/api");
    claims.put("iat", now.getEpochSecond());
    claims.put("ath", sha256(token.getBytes(StandardCharsets.US_ASCII)));
    bend.accept(claims);
    try {
      JWSObject proof = new JWSObject(header, new Payload(JSON.writeValueAsString(claims)));
      proof.sign(new ECDSASigner(key));
      return proof.serialize();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static String thumbprint(ECKey key) {
    try {
      return key.computeThumbprint().toString();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static String sha256(byte[] bytes) {
    try {
      return Base64URL.encode(MessageDigest.getInstance("SHA-256").digest(bytes)).toString();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static ECKey ec(String id) {
    try {
      return new ECKeyGenerator(Curve.P_256).keyID(id).generate();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}

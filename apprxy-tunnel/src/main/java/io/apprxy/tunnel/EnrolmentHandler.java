package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.io.Receiver;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.XnioExecutor;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Where connectors get certificates: {@code POST /.apprxy/enrol} with a token, which anybody may
 * try, and {@code POST /.apprxy/renew} with a certificate that is still valid. Both take a {@code
 * csr} in JSON, and answer a chain in PEM (RFC 8555 §9.1). Thread-safe.
 */
final class EnrolmentHandler {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");
  private static final JsonMapper JSON = new JsonMapper();
  private static final int MAX_BODY = 16 * 1024;
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Authority authority;
  private final Events events;

  /** The tokens cannot be guessed; whoever tries shall not cost much. */
  private final Attempts failures;

  /** A connector that renews without end would fill the store. */
  private final Attempts renewals;

  /** What has happened. Called on a worker. */
  interface Events {
    void enrolled(Authority.Certified connector);

    void renewed(Authority.Certified connector);

    /** Answers the peer why it gets nothing; called on an I/O thread, too. */
    void refused(HttpServerExchange exchange, GatewayException cause);
  }

  EnrolmentHandler(Authority authority, Clock clock, Events events) {
    this.authority = authority;
    this.events = events;
    this.failures = new Attempts(30, Duration.ofMinutes(1), clock);
    this.renewals = new Attempts(60, Duration.ofHours(1), clock);
  }

  /** Certifies a peer that proves itself by a token. */
  void enrol(HttpServerExchange exchange) {
    String peer = Attempts.peer(exchange.getSourceAddress().getAddress());
    answer(
        exchange,
        body -> {
          if (failures.areExhausted(peer)) {
            throw new GatewayException(ErrorCode.TOO_MANY_ATTEMPTS, "too many failed enrolments");
          }
          try {
            Authority.Certified certified = authority.enrol(text(body, "token"), text(body, "csr"));
            events.enrolled(certified);
            return certified;
          } catch (GatewayException e) {
            failures.count(peer);
            throw e;
          }
        });
  }

  /**
   * Certifies another key of a connector.
   *
   * @param present the certificate of the connection, found to be valid
   */
  void renew(HttpServerExchange exchange, ConnectorCertificate present) {
    answer(
        exchange,
        body -> {
          authority.check(present); // the body may have taken its time
          if (renewals.areExhausted(present.id())) {
            throw new GatewayException(ErrorCode.TOO_MANY_ATTEMPTS, "too many renewals");
          }
          renewals.count(present.id());
          Authority.Certified certified = authority.renew(present, text(body, "csr"));
          events.renewed(certified);
          return certified;
        });
  }

  /** Reads the body, does the rest on a worker, since it may block, and answers. */
  private void answer(
      HttpServerExchange exchange, Function<JsonNode, Authority.Certified> certifying) {
    if (exchange.getRequestContentLength() > MAX_BODY) {
      events.refused(
          exchange, new GatewayException(ErrorCode.BODY_TOO_LARGE, "more than " + MAX_BODY));
      return;
    }
    limitTime(exchange);
    Receiver receiver = exchange.getRequestReceiver();
    receiver.setMaxBufferSize(MAX_BODY);
    receiver.receiveFullBytes(
        (received, body) -> received.dispatch(() -> certify(received, body, certifying)),
        this::brokenOff);
  }

  /** Whoever sends slowly, or reads the answer slowly, holds nothing up for long. */
  private static void limitTime(HttpServerExchange exchange) {
    XnioExecutor.Key timeout =
        exchange
            .getIoThread()
            .executeAfter(
                () -> IoUtils.safeClose(exchange.getConnection()),
                PATIENCE.toMillis(),
                TimeUnit.MILLISECONDS);
    exchange.addExchangeCompleteListener(
        (completed, next) -> {
          timeout.remove();
          next.proceed();
        });
  }

  private void certify(
      HttpServerExchange exchange,
      byte[] body,
      Function<JsonNode, Authority.Certified> certifying) {
    try {
      Authority.Certified certified = certifying.apply(parse(body));
      exchange
          .getResponseHeaders()
          .put(Headers.CONTENT_TYPE, "application/pem-certificate-chain")
          .put(Headers.CACHE_CONTROL, "no-store");
      exchange
          .getResponseSender()
          .send(ConnectorIdentity.pem(certified.certificate(), certified.issuer()));
    } catch (GatewayException e) {
      events.refused(exchange, e);
    } catch (RuntimeException e) {
      LOG.error("no connector can be certified", e);
      events.refused(exchange, new GatewayException(ErrorCode.INTERNAL, "the authority failed", e));
    }
  }

  /**
   * @throws GatewayException with {@link ErrorCode#CERTIFICATE_REQUEST_REFUSED} if it is no JSON
   */
  static JsonNode parse(byte[] body) {
    try {
      return JSON.readTree(body);
    } catch (JacksonException e) {
      throw new GatewayException(
          ErrorCode.CERTIFICATE_REQUEST_REFUSED, "a request for a certificate is no JSON");
    }
  }

  /**
   * @throws GatewayException with {@link ErrorCode#CERTIFICATE_REQUEST_REFUSED} if it is not there
   */
  static String text(JsonNode body, String field) {
    JsonNode value = body.path(field);
    if (!value.isString()) {
      throw new GatewayException(
          ErrorCode.CERTIFICATE_REQUEST_REFUSED, "a request for a certificate has no " + field);
    }
    return value.stringValue();
  }

  private void brokenOff(HttpServerExchange exchange, IOException e) {
    if (e instanceof Receiver.RequestToLargeException) {
      events.refused(
          exchange, new GatewayException(ErrorCode.BODY_TOO_LARGE, "more than " + MAX_BODY));
    } else {
      LOG.debug("a request for a certificate broke off", e);
      IoUtils.safeClose(exchange.getConnection());
      exchange.endExchange();
    }
  }
}

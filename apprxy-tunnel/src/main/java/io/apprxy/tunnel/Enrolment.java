package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * Keeps a connector enrolled: takes its identity from a file, or gets one for a token, and renews
 * it from half of its life on. What the gateway says of it counts, more than the clock of this
 * machine. Works on a thread of its own, which may block. Thread-safe.
 */
final class Enrolment implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");
  private static final JsonMapper JSON = new JsonMapper();
  private static final Duration TICK = Duration.ofMillis(200);
  private static final Duration FIRST_WAIT = Duration.ofMillis(250);
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

  /** As much may be a clock that is being adjusted. */
  private static final Duration SET_BACK = Duration.ofMinutes(1);

  private static final Duration CALL = Wire.DIAL_TIMEOUT.plus(Wire.CALL_TIMEOUT).multipliedBy(2);

  private final TrustManager @Nullable [] trust;
  private final @Nullable Path file;
  private final Supplier<@Nullable String> tokens;
  private final Gateways gateways;
  private final Listener listener;
  private final Clock clock;
  private final Backoff backoff =
      new Backoff(FIRST_WAIT, LONGEST_WAIT, ThreadLocalRandom.current());
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread started = new Thread(task, "apprxy-connector-enrolment");
            started.setDaemon(true);
            return started;
          });

  private volatile SSLContext tls;
  private volatile @Nullable ConnectorIdentity identity;

  /** What is wrong with the identity, so that only a token helps; null if nothing is. */
  private volatile @Nullable String lapsed;

  /** What the thread waits for, or has waited for. */
  private volatile CompletableFuture<?> awaited = CompletableFuture.completedFuture(null);

  // of the thread
  private Instant renewAt = Instant.MAX;
  private Instant lastLook = Instant.EPOCH; // at the clock
  private long nextAttempt = System.nanoTime();

  /** The gateways, as an ordinary client reaches them. */
  interface Gateways {
    /** Those that an operator named: the only ones that a token is shown to. */
    Collection<URI> given();

    /** Those, and what they advertise. */
    Collection<URI> known();

    /** See {@link Call#post}. */
    CompletableFuture<Call.Answer> post(URI gateway, SSLContext tls, String path, String json);
  }

  /** Called on the thread of the enrolment. */
  interface Listener {
    /** There is an identity, or another one: connections should be made with it from now on. */
    void identityChanged();

    /** Something is wrong, that an operator should know. */
    void trouble(String what);
  }

  /**
   * Reads the identity, if there is one.
   *
   * @param trust what verifies gateways; null for the JVM's own
   * @param file where the identity is kept; null for nowhere
   * @param tokens asked anew before each attempt; null from it is no token
   * @throws UncheckedIOException if there is a file that cannot be used
   */
  Enrolment(
      TrustManager @Nullable [] trust,
      @Nullable Path file,
      Supplier<@Nullable String> tokens,
      Gateways gateways,
      Listener listener,
      Clock clock) {
    this.trust = trust;
    this.file = file;
    this.tokens = tokens;
    this.gateways = gateways;
    this.listener = listener;
    this.clock = clock;
    ConnectorIdentity kept = load(file);
    this.identity = kept;
    this.tls = context(kept);
    if (kept != null) {
      ConnectorCertificate certificate = kept.certificate();
      renewAt = inHalf(certificate.notBefore(), certificate);
    }
  }

  private static @Nullable ConnectorIdentity load(@Nullable Path file) {
    try {
      return file == null ? null : ConnectorIdentity.load(file);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the connector's identity cannot be used: " + e.getMessage(), e);
    }
  }

  /** Begins to see to it. */
  void start() {
    var unused =
        thread.scheduleWithFixedDelay(this::tick, 0, TICK.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** For connections from now on: with the present identity, if there is one. */
  SSLContext tls() {
    return tls;
  }

  /** Whether there is an identity to connect with. */
  boolean isEnrolled() {
    return identity != null;
  }

  /** A gateway takes the present identity. */
  void accepted(SSLContext with) {
    if (with == tls) {
      lapsed = null;
    }
  }

  /**
   * A gateway does not take the identity that a connection was made with.
   *
   * @param with the context of that connection: it may be an older one
   */
  void refused(SSLContext with, String code) {
    if (with == tls && isCured(code)) {
      lapse(code);
    }
  }

  /** Whether a token makes good what is wrong. Nobody comes back by himself who was revoked. */
  private static boolean isCured(String code) {
    return code.equals(ErrorCode.CERTIFICATE_EXPIRED.code())
        || code.equals(ErrorCode.CERTIFICATE_REQUIRED.code());
  }

  private void lapse(String code) {
    ConnectorIdentity present = identity;
    if (present == null) {
      return;
    }
    ConnectorCertificate certificate = present.certificate();
    if (!code.equals(ErrorCode.CERTIFICATE_EXPIRED.code())) {
      lapsed =
          "the gateway does not know the authority that certified connector %s at %s: was its state lost?"
              .formatted(certificate.id(), certificate.notBefore());
    } else if (certificate.notBefore().isAfter(clock.instant())) {
      lapsed =
          "the certificate of connector %s is valid from %s only: was a clock set back?"
              .formatted(certificate.id(), certificate.notBefore());
    } else {
      lapsed =
          "the certificate of connector %s expired at %s, and was not renewed while it was off or cut off"
              .formatted(certificate.id(), certificate.notAfter());
    }
  }

  // ---- on the thread

  private void tick() {
    try {
      noticeClockSetBack();
      if (System.nanoTime() - nextAttempt < 0) {
        return;
      }
      if (identity == null) {
        enrol();
      } else if (!clock.instant().isBefore(renewAt)) {
        renew();
      } else if (lapsed != null) {
        enrol();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      LOG.error("the connector's enrolment failed", e);
      later();
    }
  }

  /**
   * By a clock that was set back, half of a certificate's life would come too late; that of one
   * which was taken while the clock was ahead, after its end.
   */
  private void noticeClockSetBack() {
    Instant now = clock.instant();
    if (now.isBefore(lastLook.minus(SET_BACK)) && identity != null) {
      LOG.info("the clock was set back: the certificate is renewed");
      renewAt = now;
    }
    lastLook = now;
  }

  private void later() {
    nextAttempt = System.nanoTime() + backoff.next().plus(TICK).toNanos();
  }

  private void enrol() throws InterruptedException {
    String token = tokens.get();
    if (token == null || token.isBlank()) {
      String why = lapsed == null ? "the connector has no identity yet" : lapsed;
      listener.trouble(
          why + "; create a token on the gateway, and give it to the connector: enrolmentToken(…)");
      later();
      return;
    }
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    String json =
        JSON.writeValueAsString(
            JSON.createObjectNode().put("token", token.strip()).put("csr", request.pem()));
    Call.Answer answer = call(gateways.given(), context(null), Wire.ENROL_PATH, json);
    if (answer == null) {
      return;
    }
    if (answer.status() == 200) {
      take(request, answer.body());
      return;
    }
    String why = lapsed;
    listener.trouble(
        (why == null
                ? "the connector could not be enrolled: "
                : why + "; enrolling it again failed: ")
            + refusal(answer));
    later();
  }

  private void renew() throws InterruptedException {
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    String json = JSON.writeValueAsString(JSON.createObjectNode().put("csr", request.pem()));
    Call.Answer answer = call(gateways.known(), tls, Wire.RENEW_PATH, json);
    if (answer == null) {
      return;
    }
    if (answer.status() == 200) {
      take(request, answer.body());
      return;
    }
    Refusal refusal = refusal(answer);
    if (isCured(refusal.code())) {
      lapse(refusal.code());
      enrol();
      return;
    }
    listener.trouble("the connector's certificate could not be renewed: " + refusal);
    later();
  }

  /**
   * What a gateway answers: the first that neither fails nor is out of order. Null, after having
   * said so, if there is no answer; null, too, if this is closed meanwhile.
   */
  private Call.@Nullable Answer call(
      Collection<URI> asked, SSLContext with, String path, String json)
      throws InterruptedException {
    String trouble = "there is no gateway";
    Call.Answer last = null;
    for (URI gateway : asked) {
      try {
        last = await(gateways.post(gateway, with, path, json));
        if (last.status() < 500) {
          return last;
        }
      } catch (ExecutionException e) {
        Throwable cause = e.getCause();
        trouble = String.valueOf(cause == null ? e.getMessage() : cause.getMessage());
      } catch (TimeoutException e) {
        trouble = "gateway " + gateway + " does not answer";
      } catch (CancellationException closed) {
        return null;
      }
    }
    if (last == null) {
      listener.trouble(trouble);
      later();
    }
    return last;
  }

  private Call.Answer await(CompletableFuture<Call.Answer> asked)
      throws InterruptedException, ExecutionException, TimeoutException {
    awaited = asked;
    if (thread.isShutdown()) {
      asked.cancel(false); // close() may have looked before
    }
    return asked.get(CALL.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void take(ConnectorIdentity.Request request, String answer) {
    try {
      ConnectorIdentity taken = request.certified(answer);
      save(taken);
      tls = context(taken); // a new one, with no session of the last identity to resume
      identity = taken;
      lapsed = null;
      renewAt = inHalf(lastLook, taken.certificate()); // the clock may have jumped since
      backoff.reset();
      LOG.info(
          "connector {} of group {} is certified until {}",
          taken.certificate().id(),
          taken.certificate().group(),
          taken.certificate().notAfter());
      listener.identityChanged();
    } catch (IOException e) {
      listener.trouble(String.valueOf(e.getMessage()));
      later();
    }
  }

  private void save(ConnectorIdentity taken) {
    if (file == null) {
      return;
    }
    try {
      taken.save(file);
    } catch (IOException e) {
      // It serves nevertheless; but the next start would find the last identity, or none.
      LOG.error(
          "the connector's identity cannot be kept in {}: make it writable, or a restart needs a token",
          file,
          e);
    }
  }

  /** Somewhere from a half to three fifths of its life: not all connectors at once. */
  private static Instant inHalf(Instant from, ConnectorCertificate certificate) {
    Duration life = Duration.between(certificate.notBefore(), certificate.notAfter());
    long tenth = Math.max(1, life.toMillis() / 10);
    return from.plus(life.dividedBy(2)).plusMillis(ThreadLocalRandom.current().nextLong(tenth));
  }

  private SSLContext context(@Nullable ConnectorIdentity with) {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(with == null ? null : with.keyManagers(), trust, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no TLS", e);
    }
  }

  private static Refusal refusal(Call.Answer answer) {
    try {
      return Refusal.fromProblem(answer.body());
    } catch (IllegalArgumentException e) {
      return new Refusal("", "the gateway answered " + answer.status(), "Is it the tunnel's port?");
    }
  }

  @Override
  public void close() {
    thread.shutdown(); // an identity that is just being kept in its file is kept
    awaited.cancel(false); // it may never come, as the connector's threads end now
  }
}

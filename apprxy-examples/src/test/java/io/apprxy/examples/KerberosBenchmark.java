package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Identity;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import io.apprxy.Verdict;
import io.apprxy.auth.sso.KerberosSignOn;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * What it costs to sign a request on by Kerberos, with the domain of the integration tests on the
 * same machine: for a user whose ticket is there, and for one who is new.
 *
 * <pre>
 * mvn -pl apprxy-examples -am test-compile exec:exec -Dexample=KerberosBenchmark \
 *   -Dexec.classpathScope=test -Dexample.jvm=-Xmx512m
 * </pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode({Mode.AverageTime, Mode.Throughput})
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class KerberosBenchmark {
  private static final int USERS = 200;

  private final AtomicInteger sessions = new AtomicInteger();
  private final Application application =
      Application.builder("app")
          .externalUrl("https://app.example/")
          .internalUrl("http://app.corp.test/")
          .assignEveryone()
          .kerberosSignOn(KerberosDelegation.to(Domain.APP).fromClaim("name"))
          .build();
  private Domain domain;
  private KerberosSignOn signOn;

  public static void main(String[] args) throws RunnerException {
    for (int threads : new int[] {1, 8}) {
      new Runner(
              new OptionsBuilder()
                  .include(KerberosBenchmark.class.getName() + "\\.")
                  .forks(1)
                  .threads(threads)
                  .warmupIterations(3)
                  .warmupTime(TimeValue.seconds(3))
                  .measurementIterations(5)
                  .measurementTime(TimeValue.seconds(3))
                  .build())
          .run();
    }
  }

  @Setup
  public void start() {
    domain = Domain.start();
    signOn = KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("svc-apprxy")).build();
    for (int i = 0; i < USERS; i++) {
      settle(signOn.signOn(new Request(), user(i, "warm " + i), application));
    }
  }

  @TearDown
  public void stop() {
    signOn.close();
    domain.close();
  }

  private static Identity user(int number, String session) {
    return new Identity(
        "https://idp.test",
        "user" + number,
        session,
        Instant.EPOCH,
        Map.of("name", "user%03d@corp.test".formatted(number)));
  }

  /** A token for one of many users, all of whom have tickets. */
  @Benchmark
  public Verdict warm() {
    int number = ThreadLocalRandom.current().nextInt(USERS);
    Verdict verdict = signOn.signOn(new Request(), user(number, "warm " + number), application);
    if (!verdict.equals(Verdict.proceed())) {
      throw new IllegalStateException("this asks the domain: " + verdict);
    }
    return verdict;
  }

  /** Both tickets, and a token. */
  @Benchmark
  public Verdict cold() {
    int number = sessions.incrementAndGet();
    return settle(
        signOn.signOn(new Request(), user(number % USERS, "cold " + number), application));
  }

  private static Verdict settle(Verdict verdict) {
    Verdict settled = verdict;
    while (settled instanceof Verdict.Later later) {
      settled = later.outcome().toCompletableFuture().join();
    }
    return settled;
  }

  private static final class Request implements OriginRequest {
    private String value;

    @Override
    public void set(String name, List<String> values) {
      value = values.get(0);
    }

    @Override
    public void remove(String name) {
      value = null;
    }

    @Override
    public void onAnswer(Predicate<OriginAnswer> isRefused) {}

    @Override
    public String toString() {
      return "a request with " + (value == null ? "no token" : "a token");
    }
  }
}

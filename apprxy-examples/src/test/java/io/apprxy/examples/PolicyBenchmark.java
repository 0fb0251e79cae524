package io.apprxy.examples;

import io.apprxy.AccessPolicy;
import io.apprxy.Application;
import io.apprxy.Exchange;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.auth.policy.ConditionalAccess;
import io.apprxy.auth.policy.NamedLocation;
import io.apprxy.auth.policy.Policy;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import io.apprxy.auth.policy.Policy.RiskLevel;
import io.apprxy.auth.policy.Policy.TimeWindow;
import io.apprxy.auth.policy.PolicySet;
import java.security.cert.X509Certificate;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * What the decision about one request of a signed-in session costs, with 200 policies:
 *
 * <pre>
 * mvn -pl apprxy-examples -am test-compile exec:exec -Dexample=PolicyBenchmark \
 *   -Dexec.classpathScope=test -Dexample.jvm=-Xmx512m
 * </pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class PolicyBenchmark {
  private static final int POLICIES = 200;

  /** What of the policies is about the user and the application: some, or all of them. */
  @Param({"some", "all"})
  public String about = "some";

  private AccessPolicy access;
  private Exchange exchange;

  public static void main(String[] args) throws RunnerException {
    new Runner(
            options()
                .forks(1)
                .warmupIterations(5)
                .warmupTime(TimeValue.seconds(2))
                .measurementIterations(5)
                .measurementTime(TimeValue.seconds(2))
                .build())
        .run();
  }

  static ChainedOptionsBuilder options() {
    return new OptionsBuilder().include(PolicyBenchmark.class.getName() + ".authorize");
  }

  @Setup
  public void publish() {
    PolicySet.Builder set = PolicySet.builder();
    for (int i = 0; i < 10; i++) {
      int third = i;
      set.namedLocation(
          NamedLocation.networks(
              "location " + i,
              IntStream.range(0, 50)
                  .mapToObj(n -> "10." + third + "." + n + ".0/24")
                  .toArray(String[]::new)));
    }
    for (int i = 0; i < POLICIES; i++) {
      set.policy(policy(i));
    }
    access =
        ConditionalAccess.builder()
            .policies(set.build())
            .signInRiskClaim("risk")
            .signInLog(event -> {})
            .build();
    exchange = new SignedIn();
    if (!access.authorize(exchange).equals(Verdict.proceed())) {
      throw new IllegalStateException("the user of the benchmark is let in");
    }
  }

  /** Five kinds: each looks at another signal, and demands what is there. */
  private Policy policy(int number) {
    Policy.Builder policy = Policy.builder("policy " + number);
    if (about.equals("all")) {
      policy.includeAllUsers().includeAllApplications();
    } else {
      policy.includeGroups("group " + number % 40).includeApplications("wiki", "app " + number);
    }
    policy.excludeUsers("break-glass");
    return switch (number % 5) {
      case 0 -> policy.excludeLocations("location " + number % 10).requireMultifactor().build();
      case 1 ->
          policy
              .includePlatforms(DevicePlatform.WINDOWS, DevicePlatform.MACOS)
              .signInFrequency(Duration.ofDays(1))
              .build();
      case 2 -> policy.signInRiskLevels(RiskLevel.HIGH).block().build();
      case 3 -> policy.includePaths("/admin", "/settings").readOnly().build();
      default ->
          policy
              .excludeTimes(
                  new TimeWindow(
                      List.of(DayOfWeek.SATURDAY),
                      LocalTime.of(8, 0),
                      LocalTime.of(17, 0),
                      ZoneId.of("Europe/Berlin")))
              .requireMultifactor()
              .build();
    };
  }

  /** The decision about one request. */
  @Benchmark
  public Verdict authorize() {
    return access.authorize(exchange);
  }

  /** A GET in the session of a member of twenty groups. */
  private static final class SignedIn implements Exchange {
    private final Application wiki =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .assignGroups("group 3")
            .build();
    private final Identity alice =
        new Identity(
            "https://login.example.com",
            "4711",
            "session",
            Instant.now(),
            Map.of(
                "email",
                "alice@example.com",
                "email_verified",
                true,
                "amr",
                List.of("pwd", "mfa"),
                "risk",
                "low",
                "groups",
                IntStream.range(0, 20).mapToObj(n -> "group " + n).toList()));
    private final Map<String, String> headers =
        Map.of(
            "User-Agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36");

    @Override
    public String id() {
      return "0000000000000000";
    }

    @Override
    public String method() {
      return "GET";
    }

    @Override
    public String scheme() {
      return "https";
    }

    @Override
    public String authority() {
      return "wiki.example";
    }

    @Override
    public String path() {
      return "/pages/2025/an-ordinary-page";
    }

    @Override
    public String query() {
      return null;
    }

    @Override
    public String clientAddress() {
      return "10.200.3.4";
    }

    @Override
    public List<String> headers(String name) {
      String value = headers.get(name);
      return value == null ? List.of() : List.of(value);
    }

    @Override
    public String cookie(String name) {
      return null;
    }

    @Override
    public void addResponseHeader(String name, String value) {}

    @Override
    public Application application() {
      return wiki;
    }

    @Override
    public Identity identity() {
      return alice;
    }

    @Override
    public void identify(Identity identity, BooleanSupplier stands) {}

    @Override
    public List<X509Certificate> clientCertificates() {
      return List.of();
    }

    @Override
    public CompletionStage<byte[]> readBody(int maxBytes) {
      return CompletableFuture.completedFuture(new byte[0]);
    }
  }
}

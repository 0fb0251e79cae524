package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Application.TokenForm;
import io.apprxy.auth.sso.KerberosDoctor;
import io.apprxy.auth.sso.KerberosDoctor.Check;
import io.apprxy.auth.sso.KerberosDoctor.Finding;
import io.apprxy.auth.sso.KerberosSignOn;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Resource-based constrained delegation, in one realm and into another, with MIT's KDC: an
 * application names who delegates to it, and the service account has no list of its own.
 */
@Timeout(180)
@ExtendWith(Domain.Shared.class)
class ResourceDelegationIT {
  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  /** With a realm or without: the KDC of the account's refers to the other. */
  @ParameterizedTest
  @ValueSource(strings = {"HTTP/app.apps.test", "HTTP/app.apps.test@APPS.TEST"})
  void user_isKnownToAnApplicationOfAnotherRealm(String service, Domain domain) throws Exception {
    SignOnChain chain = chain(domain.urlElsewhere(), KerberosDelegation.to(service), domain);

    assertThat(chain.get("/", "alice@users.test").body())
        .contains("REMOTE_USER=alice@USERS.TEST\n");
  }

  @ParameterizedTest
  @EnumSource
  void ticketOfAnotherRealm_travelsInEitherForm(TokenForm form, Domain domain) throws Exception {
    SignOnChain chain =
        chain(domain.urlElsewhere(), KerberosDelegation.to(Domain.ELSEWHERE).in(form), domain);

    assertThat(chain.get("/", "alice@users.test").body())
        .contains("REMOTE_USER=alice@USERS.TEST\n");
  }

  @Test
  void user_isKnownToAnApplicationOfTheSameRealm(Domain domain) throws Exception {
    KerberosOrigin origin =
        opened(new KerberosOrigin(domain.keytab("near"), "HTTP/near.users.test@USERS.TEST"));
    SignOnChain chain = chain(origin.url(), KerberosDelegation.to("HTTP/near.users.test"), domain);

    assertThat(chain.get("/", "alice@users.test").body()).isEqualTo("user alice@USERS.TEST");
  }

  /** The JDK finds a ticket by the realm that it is of, and would else ask for each request. */
  @ParameterizedTest
  @ValueSource(strings = {"HTTP/app.apps.test", "HTTP/app.apps.test@APPS.TEST"})
  void ticketOfAnotherRealm_isKept(String service, Domain domain) throws Exception {
    SignOnChain chain = chain(domain.urlElsewhere(), KerberosDelegation.to(service), domain);
    assertThat(chain.get("/", "alice@users.test").statusCode()).isEqualTo(200);
    long tickets = domain.ticketsOfRealms();

    for (int i = 0; i < 5; i++) {
      assertThat(chain.get("/", "alice@users.test").statusCode()).isEqualTo(200);
    }

    assertThat(domain.ticketsOfRealms()).isEqualTo(tickets);
  }

  /** Whoever wants nothing of it gets tickets as before. */
  @Test
  void realmThatIsSilent_concernsItsOwnApplicationsOnly(Domain domain) throws Exception {
    KerberosSignOn kerberos =
        opened(
            KerberosSignOn.builder(Domain.USERS_ACCOUNT, domain.keytab("users"))
                .timeout(Duration.ofSeconds(2))
                .build());
    KerberosOrigin origin =
        opened(new KerberosOrigin(domain.keytab("near"), "HTTP/near.users.test@USERS.TEST"));
    SignOnChain near = chain(origin.url(), KerberosDelegation.to("HTTP/near.users.test"), kerberos);
    SignOnChain far =
        chain(domain.urlElsewhere(), KerberosDelegation.to(Domain.ELSEWHERE), kerberos);
    domain.elsewhereFalls();
    try {
      for (int i = 0; i < 6; i++) {
        HttpResponse<String> page = far.get("/", "user%03d@users.test".formatted(i));
        assertThat(page.statusCode()).isEqualTo(503);
        assertThat(page.body()).contains("APX-632");
      }
      assertThat(near.get("/", "user010@users.test").statusCode()).isEqualTo(200);
    } finally {
      domain.elsewhereGoesOn();
    }
  }

  @Test
  void manyRequestsAtOnce_askOnce(Domain domain) throws Exception {
    SignOnChain chain =
        chain(domain.urlElsewhere(), KerberosDelegation.to(Domain.ELSEWHERE), domain);
    long before = domain.ticketsOfRealms();
    assertThat(chain.get("/", "alice@users.test").statusCode()).isEqualTo(200);
    long ofOne = domain.ticketsOfRealms() - before;

    List<CompletableFuture<Integer>> statuses = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      statuses.add(
          chain
              .http
              .sendAsync(request(chain, "user001@users.test"), BodyHandlers.discarding())
              .thenApply(HttpResponse::statusCode));
    }

    assertThat(statuses.stream().map(CompletableFuture::join)).containsOnly(200);
    assertThat(domain.ticketsOfRealms() - before - ofOne).isEqualTo(ofOne);
  }

  @Test
  void ticketsOfMoreUsersThanMayBeKept_areAskedForAnew(Domain domain) throws Exception {
    KerberosSignOn one =
        opened(
            KerberosSignOn.builder(Domain.USERS_ACCOUNT, domain.keytab("users"))
                .maxUsers(1)
                .build());
    SignOnChain chain = chain(domain.urlElsewhere(), KerberosDelegation.to(Domain.ELSEWHERE), one);
    for (String user : List.of("user001@users.test", "user002@users.test")) {
      assertThat(chain.get("/", user).statusCode()).isEqualTo(200);
    }
    long before = domain.ticketsOfRealms();

    for (String user : List.of("user001@users.test", "user002@users.test")) {
      assertThat(chain.get("/", user).statusCode()).isEqualTo(200);
    }

    assertThat(domain.ticketsOfRealms()).isGreaterThan(before);
  }

  /** The JDK keeps referrals of its own, for all users of a JVM. */
  @Test
  void users_seeTheirOwnNamesOnly(Domain domain) throws Exception {
    SignOnChain chain =
        chain(domain.urlElsewhere(), KerberosDelegation.to(Domain.ELSEWHERE), domain);

    OwnNames.assertSeen(
        chain.http,
        "USERS.TEST",
        20,
        400,
        400,
        user -> request(chain, user.replace("USERS.TEST", "users.test")));
  }

  @ParameterizedTest
  @CsvSource({
    "alice@USERS.TEST, HTTP/other.apps.test, SERVICE, APX-627", // names another account
    "alice@USERS.TEST, HTTP/other.apps.test@APPS.TEST, SERVICE, APX-627",
    "alice@USERS.TEST, HTTP/ghost.apps.test, SERVICE, APX-628",
    "alice@USERS.TEST, HTTP/app.apps.test@NOWHERE.TEST, SERVICE, APX-628",
    "sensitive@USERS.TEST, HTTP/app.apps.test, USER, APX-625",
    "nobody@USERS.TEST, HTTP/app.apps.test, USER, APX-623",
    "bob@APPS.TEST, HTTP/app.apps.test, USER, APX-634",
    "alice@CORP.TEST, HTTP/app.apps.test, USER, APX-623" // no trust
  })
  void doctor_namesTheStepThatFails(
      String user, String service, Check step, String code, Domain domain) {
    List<Finding> findings =
        KerberosDoctor.builder(Domain.USERS_ACCOUNT, domain.keytab("users"), user, service)
            .origin(URI.create(domain.urlElsewhere()))
            .build()
            .examine();

    Finding last = findings.get(findings.size() - 1);
    assertThat(last.check()).as(last.text()).isEqualTo(step);
    assertThat(last.code().code()).as(last.text()).isEqualTo(code);
  }

  private static HttpRequest request(SignOnChain chain, String user) {
    return HttpRequest.newBuilder(chain.url)
        .timeout(Duration.ofSeconds(60))
        .header(SignOnChain.USER, user)
        .build();
  }

  private SignOnChain chain(String origin, KerberosDelegation delegation, Domain domain)
      throws Exception {
    return chain(
        origin,
        delegation,
        opened(KerberosSignOn.builder(Domain.USERS_ACCOUNT, domain.keytab("users")).build()));
  }

  private SignOnChain chain(String origin, KerberosDelegation delegation, KerberosSignOn kerberos)
      throws Exception {
    return opened(new SignOnChain(directory))
        .start(
            origin,
            kerberos,
            Map.of(),
            application -> application.kerberosSignOn(delegation.fromClaim("name")));
  }

  private <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }
}

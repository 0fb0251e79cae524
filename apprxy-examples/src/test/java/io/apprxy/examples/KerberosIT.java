package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Application.LoginIdentity;
import io.apprxy.Application.TokenForm;
import io.apprxy.EndedSessions;
import io.apprxy.Gateway;
import io.apprxy.Identity;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.auth.sso.KerberosDoctor;
import io.apprxy.auth.sso.KerberosDoctor.Check;
import io.apprxy.auth.sso.KerberosDoctor.Finding;
import io.apprxy.auth.sso.KerberosInsight;
import io.apprxy.auth.sso.KerberosSignOn;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Kerberos constrained delegation, with Samba as domain controller and Apache httpd as origin. */
@Timeout(180)
@ExtendWith(Domain.Shared.class)
class KerberosIT {
  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private DemoCertificates certificates;
  private URI url;
  private HttpClient http;

  @BeforeEach
  void prepare() throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    http =
        HttpClient.newBuilder()
            .sslContext(certificates.trust())
            .version(HttpClient.Version.HTTP_1_1)
            .build();
  }

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  // ---- the whole chain

  @Test
  void user_signsIn_andTheApplicationSeesTheirNameOfTheDomain(Domain domain) throws Exception {
    SignOnChain chain = signedIn(kerberos(domain), Sessions.builder().build(), domain);
    DemoBrowser browser = new DemoBrowser(chain.certificates.trust());

    HttpResponse<String> page = browser.signIn(chain.url, DemoProvider.USERS.get(0), false);

    assertThat(page.statusCode()).as(page.body()).isEqualTo(200);
    assertThat(page.body()).contains("REMOTE_USER=alice@CORP.TEST");
    assertThat(page.headers().firstValue("WWW-Authenticate")).isEmpty();
    // The domain does not know him.
    HttpResponse<String> other =
        new DemoBrowser(chain.certificates.trust())
            .signIn(chain.url, DemoProvider.USERS.get(1), false);
    assertThat(other.statusCode()).isEqualTo(403);
    assertThat(other.body()).contains("APX-623");
  }

  /** Of a browser's own session the connector hears, as the gateway does. */
  @Test
  void tickets_areDropped_whenTheSessionEnds_inTheConnector(Domain domain) throws Exception {
    KerberosSignOn tickets = kerberos(domain);
    Sessions sessions = Sessions.builder().build();
    SignOnChain chain = signedIn(tickets, sessions, domain);
    DemoBrowser laptop = new DemoBrowser(chain.certificates.trust());
    DemoBrowser phone = new DemoBrowser(chain.certificates.trust());
    laptop.signIn(chain.url, DemoProvider.USERS.get(0), false);
    phone.signIn(chain.url, DemoProvider.USERS.get(0), false);
    assertThat(KerberosInsight.sessionsWithTickets(tickets)).isEqualTo(2);

    laptop.open(chain.url.resolve("/.apprxy/sign-out"));

    awaitSessionsWithTickets(tickets, 1, laptop, chain.url);
    assertThat(phone.open(chain.url).body()).contains("REMOTE_USER=alice@CORP.TEST");
    assertThat(KerberosInsight.sessionsWithTickets(tickets)).isEqualTo(1);

    sessions.end(SessionsOf.everybody(), "the end of the day");

    awaitSessionsWithTickets(tickets, 0, laptop, chain.url);
  }

  private static void awaitSessionsWithTickets(
      KerberosSignOn kerberos, int number, DemoBrowser browser, URI url) throws Exception {
    Instant end = Instant.now().plusSeconds(30);
    while (KerberosInsight.sessionsWithTickets(kerberos) != number) {
      assertThat(Instant.now()).as("%s within half a minute", number).isBefore(end);
      browser.open(url.resolve("/.apprxy/user"));
    }
  }

  /** With a provider where alice signs in, and a connector that has the tickets. */
  private SignOnChain signedIn(KerberosSignOn tickets, Sessions sessions, Domain domain)
      throws Exception {
    SignOnChain chain = opened(new SignOnChain(directory));
    String secret = DemoSetup.randomSecret();
    DemoProvider provider =
        opened(
            DemoProvider.start(
                0,
                chain.certificates.server(),
                DemoProvider.Client.gateway("gateway", secret, chain.url)));
    return chain.start(
        domain.url(),
        new HeaderSignOn().then(tickets),
        OidcPreAuthentication.builder()
            .issuer(provider.issuer().toString())
            .clientId("gateway")
            .clientSecret(secret)
            .trust(chain.certificates.trust())
            .sessions(sessions)
            .build(),
        application ->
            application.kerberosSignOn(
                KerberosDelegation.to(Domain.APP)
                    .as(LoginIdentity.USER_PRINCIPAL_USERNAME)
                    .fromClaim("preferred_username")));
  }

  // ---- who the user is

  @ParameterizedTest
  @CsvSource({
    "USER_PRINCIPAL_NAME, alice@corp.test, alice@CORP.TEST",
    "USER_PRINCIPAL_NAME, ALICE@Corp.Test, alice@CORP.TEST",
    "USER_PRINCIPAL_USERNAME, alice@example.com, alice@CORP.TEST",
    "ON_PREMISES_SAM_ACCOUNT_NAME, Alice, alice@CORP.TEST"
  })
  void user_isKnownByTheLoginIdentity(
      LoginIdentity identity, String claim, String user, Domain domain) throws Exception {
    start(domain.url(), KerberosDelegation.to(Domain.APP).as(identity).fromClaim("name"), domain);

    assertThat(get(claim).body()).contains("REMOTE_USER=" + user + "\n");
  }

  @ParameterizedTest
  @EnumSource
  void ticket_travelsInEitherForm(TokenForm form, Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name").in(form), domain);

    assertThat(get("alice@corp.test").body()).isEqualTo("user alice@CORP.TEST");
  }

  @Test
  void clientsOwnCredentials_areReplaced(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);

    HttpResponse<String> page =
        send(request("alice@corp.test").header("Authorization", "Basic eDp5").build());

    assertThat(page.body()).isEqualTo("user alice@CORP.TEST");
    assertThat(origin.asked).as("signed on from the first request on").hasValue(1);
  }

  // ---- what the domain refuses

  @ParameterizedTest
  @CsvSource({
    "nobody@corp.test, HTTP/app.corp.test, APX-623, 403",
    "alice@else.test, HTTP/app.corp.test, APX-623, 403",
    "disabled@corp.test, HTTP/app.corp.test, APX-624, 403",
    "expired@corp.test, HTTP/app.corp.test, APX-624, 403",
    "sensitive@corp.test, HTTP/app.corp.test, APX-625, 403",
    "alice@corp.test, HTTP/other.corp.test, APX-627, 502",
    "alice@corp.test, HTTP/ghost.corp.test, APX-628, 502",
    "alice@corp.test, HTTP/nothing.corp.test, APX-628, 502",
    "alice@corp.test, HTTP/rc4.corp.test, APX-631, 502",
    "alice, HTTP/app.corp.test, APX-622, 403",
    "alice/admin@corp.test, HTTP/app.corp.test, APX-622, 403",
    "alice@corp.test@else.test, HTTP/app.corp.test, APX-622, 403"
  })
  void whatTheDomainRefuses_hasACodeOfItsOwn(
      String user, String service, String code, int status, Domain domain) throws Exception {
    start(domain.url(), KerberosDelegation.to(service).fromClaim("name"), domain);

    HttpResponse<String> page = get(user);

    assertThat(page.body()).contains(code).doesNotContain("REMOTE_USER", "CORP.TEST");
    assertThat(page.statusCode()).isEqualTo(status);
    assertThat(get("user001@corp.test").statusCode())
        .as("whether others are served")
        .isEqualTo(service.equals(Domain.APP) ? 200 : 502);
  }

  @ParameterizedTest
  @CsvSource({"svc-noproto, svc-noproto@CORP.TEST, APX-626", "svc-off, svc-off@CORP.TEST, APX-630"})
  void accountThatMayNotDelegate_isToldFromUsersWhoMayNotBeDelegated(
      String keytab, String account, String code, Domain domain) throws Exception {
    start(
        domain.url(),
        KerberosDelegation.to(Domain.APP).fromClaim("name"),
        opened(KerberosSignOn.builder(account, domain.keytab(keytab)).build()));

    HttpResponse<String> page = get("alice@corp.test");

    assertThat(page.body()).contains(code).doesNotContain("REMOTE_USER");
    assertThat(page.statusCode()).isEqualTo(502);
  }

  /** Or every reload of a page would be a question, or four. */
  @Test
  void refusal_isRemembered_andTheDomainNotAsked(Domain domain) throws Exception {
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), domain);
    assertThat(get("sensitive@corp.test").body()).contains("APX-625");
    domain.falls();
    try {
      assertThat(get("sensitive@corp.test").body()).contains("APX-625");
    } finally {
      domain.goesOn();
    }
  }

  @Test
  void keytabOfAnotherAccount_isRefusedWhenItIsConfigured(Domain domain) {
    assertThatThrownBy(
            () -> KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("svc-noproto")).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("has no key of svc-apprxy@CORP.TEST");
    assertThatThrownBy(
            () -> KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("nowhere")).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("there is none");
  }

  @Test
  void gatewayWithoutTickets_sendsNothingToTheOrigin(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), new HeaderSignOn());

    HttpResponse<String> page =
        send(request("alice@corp.test").header("Authorization", "Negotiate YII=").build());

    assertThat(page.statusCode()).isEqualTo(502);
    assertThat(page.body()).contains("APX-606");
    assertThat(origin.asked).hasValue(0);
  }

  // ---- what the origin says

  @Test
  void originThatRefusesATicket_getsAnotherOnce(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);
    origin.refusing.set(1);

    assertThat(get("alice@corp.test").body()).isEqualTo("user alice@CORP.TEST");
    assertThat(origin.asked).hasValue(2);

    origin.refusing.set(100);
    HttpResponse<String> refused = get("alice@corp.test");
    assertThat(refused.statusCode()).isEqualTo(502);
    assertThat(refused.body()).contains("APX-620").doesNotContain("who are you");
    assertThat(refused.headers().firstValue("WWW-Authenticate")).isEmpty();
    assertThat(origin.asked).hasValue(4);
  }

  @Test
  void body_isSentOnce_andNeverAgain(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);
    HttpRequest post = request("alice@corp.test").POST(BodyPublishers.ofString("a form")).build();
    assertThat(send(post).body()).isEqualTo("user alice@CORP.TEST");
    assertThat(origin.served).containsExactly("POST alice@CORP.TEST a form");

    origin.refusing.set(1);
    HttpResponse<String> refused = send(post);

    assertThat(refused.statusCode()).isEqualTo(502);
    assertThat(refused.body()).contains("APX-620");
    assertThat(origin.served).hasSize(1);
    assertThat(send(post).body()).as("with a new ticket").isEqualTo("user alice@CORP.TEST");
  }

  @Test
  void originThatProvesNothing_isNotBelieved(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);
    HttpResponse<String> proven = get("alice@corp.test");
    assertThat(proven.statusCode()).isEqualTo(200);
    assertThat(proven.headers().firstValue("WWW-Authenticate")).isEmpty();

    for (String forged :
        List.of(
            "oYGQMIGNoAMKAQA=",
            "oRQwEqADCgEAoQsGCSqGSIb3EgECAg==", // accept-completed, without a word of Kerberos
            "oRQwEqADCgEDoQsGCSqGSIb3EgECAg==", // request-mic
            "oRQwEqADCgEEoQsGCSqGSIb3EgECAg==")) { // a state that does not exist
      origin.proof = genuine -> forged;
      assertThat(get("alice@corp.test").body())
          .as(forged)
          .contains("APX-621")
          .doesNotContain("user alice");
    }
    String[] first = new String[1];
    origin.proof =
        genuine -> {
          first[0] = first[0] == null ? genuine : first[0];
          return first[0];
        };
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);
    assertThat(get("alice@corp.test").body()).as("of another request").contains("APX-621");
    origin.proof = genuine -> null;
    assertThat(get("alice@corp.test").statusCode()).as("who offers none").isEqualTo(200);
  }

  /** Some servers take what follows on a connection for the first user's. */
  @Test
  void connectionsOfTickets_areNobodyElses(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);
    for (int i = 0; i < 3; i++) {
      assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);
      send(HttpRequest.newBuilder(url.resolve("/open")).timeout(Duration.ofSeconds(30)).build());
    }
    assertThat(origin.withTickets).hasSize(1).doesNotContainAnyElementsOf(origin.without);
    assertThat(origin.without).hasSize(1);

    origin.persistent = true;
    for (int i = 0; i < 3; i++) {
      HttpResponse<String> page = get("alice@corp.test");
      assertThat(page.headers().firstValue("Persistent-Auth")).isEmpty();
    }
    assertThat(origin.withTickets).hasSize(3);
  }

  @Test
  void originWhoseKeyChanged_getsNewTickets(Domain domain) throws Exception {
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), domain);
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);

    domain.changesTheKeyOfTheApplication();

    assertThat(get("alice@corp.test").body()).contains("REMOTE_USER=alice@CORP.TEST");
  }

  @Test
  void handshakeOfAWebSocket_carriesATicket(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    start(origin.url(), KerberosDelegation.to(Domain.JAVA).fromClaim("name"), domain);

    assertHandshake(origin, http, url, "Test-User");
  }

  @Test
  void originOfHttp2_getsTickets(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    SignOnChain chain = opened(new SignOnChain(directory));
    chain.start(
        origin.url(),
        kerberos(domain),
        Map.of(),
        application ->
            application
                .originProtocol(Application.OriginProtocol.HTTP_2)
                .kerberosSignOn(KerberosDelegation.to(Domain.JAVA).fromClaim("name")));
    origin.refusing.set(1);

    for (String user : List.of("alice@corp.test", "user001@corp.test", "alice@corp.test")) {
      assertThat(chain.get("/", user).body())
          .isEqualTo("user " + user.replace("corp.test", "CORP.TEST"));
    }
  }

  @Test
  void handshakeOfAWebSocket_carriesATicket_throughTheTunnel(Domain domain) throws Exception {
    KerberosOrigin origin = origin(domain);
    SignOnChain chain = opened(new SignOnChain(directory));
    chain.start(
        origin.url(),
        kerberos(domain),
        Map.of(),
        application ->
            application.kerberosSignOn(KerberosDelegation.to(Domain.JAVA).fromClaim("name")));

    assertHandshake(origin, chain.http, chain.url, SignOnChain.USER);
  }

  private static void assertHandshake(
      KerberosOrigin origin, HttpClient http, URI url, String userHeader) throws Exception {
    origin.refusing.set(1);
    CompletableFuture<String> heard = new CompletableFuture<>();

    WebSocket socket =
        http.newWebSocketBuilder()
            .header(userHeader, "alice@corp.test")
            .buildAsync(
                URI.create("wss://localhost:" + url.getPort() + "/ws"),
                new WebSocket.Listener() {
                  @Override
                  public CompletionStage<?> onText(
                      WebSocket from, CharSequence text, boolean last) {
                    heard.complete(text.toString());
                    return null;
                  }

                  @Override
                  public void onError(WebSocket from, Throwable error) {
                    heard.completeExceptionally(error);
                  }
                })
            .get(30, TimeUnit.SECONDS);

    assertThat(heard.get(30, TimeUnit.SECONDS)).isEqualTo("hello alice@CORP.TEST");
    assertThat(origin.asked).hasValue(2);
    socket.abort();
  }

  // ---- many at once

  @Test
  void users_seeTheirOwnNamesOnly_200AtOnce(Domain domain) throws Exception {
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), domain);

    OwnNames.assertSeen(
        http,
        "CORP.TEST",
        200,
        10_000,
        200,
        user -> request(user.replace("CORP.TEST", "corp.test")).build());
  }

  // ---- a domain that is silent

  @Test
  void silentDomain_failsThoseWhoNeedIt_soonAtOnce_andNobodyElse(Domain domain) throws Exception {
    KerberosSignOn tickets =
        opened(
            KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("svc-apprxy"))
                .timeout(Duration.ofSeconds(2))
                .build());
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), tickets);
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);
    assertThat(get("user150@corp.test").statusCode()).isEqualTo(200);
    tickets.forget(
        new EndedSessions(
            Set.of(EndedSessions.mark("user", "https://idp.test", "user150@corp.test"))));
    domain.falls();
    try {
      assertThat(get("user150@corp.test").statusCode()).as("whose session ended").isEqualTo(503);
      for (int i = 0; i < 5; i++) {
        HttpResponse<String> page = get("user" + "%03d".formatted(i) + "@corp.test");
        assertThat(page.statusCode()).isEqualTo(503);
        assertThat(page.body()).contains("APX-632");
        assertThat(get("alice@corp.test").statusCode()).as("who has a ticket").isEqualTo(200);
      }
    } finally {
      domain.goesOn();
    }

    Instant end = Instant.now().plusSeconds(60);
    while (get("user100@corp.test").statusCode() != 200) {
      assertThat(Instant.now()).as("asked again after a while").isBefore(end);
    }
  }

  // ---- the domain

  /** Of three that {@code krb5.conf} names, one refuses connections, and one says nothing. */
  @Test
  void domainControllersThatAreDown_arePassedOver(Domain domain) throws Exception {
    assertThat(Files.readString(Path.of(System.getProperty("java.security.krb5.conf"))))
        .containsPattern("kdc = 127.0.0.1:1\n    kdc = 127.0.0.1:\\d+\n    kdc = 127.0.0.1:");
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), domain);

    assertThat(get("alice@corp.test").body()).contains("REMOTE_USER=alice@CORP.TEST");
  }

  /** It is good for ten hours, and users get tickets by it until shortly before its end. */
  @Test
  void loginOfTheAccount_isRenewedBeforeItEnds(Domain domain) throws Exception {
    AtomicReference<Instant> now = new AtomicReference<>(Instant.now());
    KerberosSignOn kerberos =
        opened(
            KerberosInsight.at(
                KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("svc-apprxy")),
                ((InstantSource) now::get).withZone(ZoneOffset.UTC)));
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), kerberos);
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);
    Object first = KerberosInsight.login(kerberos);

    now.updateAndGet(time -> time.plus(Duration.ofHours(4)));
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);
    assertThat(KerberosInsight.login(kerberos)).isSameAs(first);

    now.updateAndGet(time -> time.plus(Duration.ofMinutes(345))); // in the last quarter of an hour
    assertThat(get("alice@corp.test").body()).contains("REMOTE_USER=alice@CORP.TEST");
    assertThat(KerberosInsight.login(kerberos)).isNotSameAs(first);
  }

  /** Users of whom it knows nothing are not at fault. */
  @Test
  void accountThatIsDisabledAfterItsLogin_isTold(Domain domain) throws Exception {
    KerberosSignOn kerberos =
        opened(KerberosSignOn.builder("svc-soon@CORP.TEST", domain.keytab("svc-soon")).build());
    start(domain.url(), KerberosDelegation.to(Domain.APP).fromClaim("name"), kerberos);
    assertThat(get("alice@corp.test").statusCode()).isEqualTo(200);

    domain.disables("svc-soon");

    assertThat(get("user001@corp.test").body()).contains("APX-630");
  }

  /** Of a process of its own, since a clock is the whole machine's. */
  @Test
  void clockThatIsWrong_isTold(Domain domain) throws Exception {
    assertThat(
            examined(
                domain,
                List.of("/usr/bin/faketime", "-f", "+20m"),
                System.getProperty("java.security.krb5.conf")))
        .contains("APX-629", "clock");
  }

  @Test
  void configurationWithoutForwardable_isTold(Domain domain) throws Exception {
    Path configuration =
        Files.writeString(
            directory.resolve("krb5.conf"),
            Files.readString(Path.of(System.getProperty("java.security.krb5.conf")))
                .replace("forwardable = true", "forwardable = false"));

    assertThat(examined(domain, List.of(), configuration.toString()))
        .contains("APX-635", "forwardable = true");
  }

  /** What the example's doctor says in a process of its own, which has to fail. */
  private String examined(Domain domain, List<String> within, String configuration)
      throws Exception {
    Path said = directory.resolve("example.log");
    Process example = example(domain, within, configuration, said, "--check-only");
    assertThat(example.waitFor(90, TimeUnit.SECONDS)).isTrue();

    assertThat(example.exitValue()).isEqualTo(1);
    return Files.readString(said);
  }

  @Test
  void example_examines_starts_andSignsAliceOn(Domain domain) throws Exception {
    Path said = directory.resolve("example.log");
    Process example =
        example(
            domain,
            List.of(),
            System.getProperty("java.security.krb5.conf"),
            said,
            "--port=0",
            "--provider-port=0",
            "--directory=" + DemoSetup.privateDirectory(directory.resolve("of-the-example")));
    opened(example::destroyForcibly);
    Pattern open = Pattern.compile("Open (https://\\S+), and sign in as alice");
    Matcher opened = open.matcher("");
    while (!opened.reset(Files.readString(said)).find()) {
      assertThat(example.waitFor(100, TimeUnit.MILLISECONDS)).as(Files.readString(said)).isFalse();
    }
    assertThat(Files.readString(said)).contains("ok   ORIGIN").doesNotContain("ILL");

    URI page = URI.create(opened.group(1));
    DemoBrowser browser =
        new DemoBrowser(DemoCertificates.in(directory.resolve("of-the-example")).trust());
    assertThat(browser.signIn(page, DemoProvider.USERS.get(0), false).body())
        .contains("REMOTE_USER=alice@CORP.TEST");
  }

  private static Process example(
      Domain domain, List<String> within, String configuration, Path said, String... options)
      throws Exception {
    List<String> command = new ArrayList<>(within);
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Djava.security.krb5.conf=" + configuration,
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            KerberosExample.class.getName(),
            "--principal=" + Domain.ACCOUNT,
            "--keytab=" + domain.keytab("svc-apprxy"),
            "--service=" + Domain.APP,
            "--origin=" + domain.url()));
    command.addAll(List.of(options));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
    builder.environment().put("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    return builder.start();
  }

  // ---- the doctor

  @Test
  void doctor_seesThatAllIsWell(Domain domain) throws Exception {
    assertThat(
            examine(domain, Domain.ACCOUNT, "svc-apprxy", "alice", Domain.APP, domain.url())
                .stream()
                .filter(finding -> finding.isWell() && finding.remedy() == null)
                .map(Finding::check))
        .containsExactly(Check.values());
    KerberosOrigin origin = origin(domain);
    assertThat(
            examine(domain, Domain.ACCOUNT, "svc-apprxy", "alice", Domain.JAVA, origin.url())
                .get(5))
        .satisfies(finding -> assertThat(finding.text()).endsWith("and has proved itself"));
  }

  @ParameterizedTest
  @CsvSource({
    "svc-apprxy@CORP.TEST, svc-noproto, alice, HTTP/app.corp.test, KEYTAB, APX-630",
    "svc-apprxy@CORP.TEST, nowhere, alice, HTTP/app.corp.test, KEYTAB, APX-630",
    "svc-off@CORP.TEST, svc-off, alice, HTTP/app.corp.test, LOGIN, APX-630",
    "svc-stale@CORP.TEST, svc-stale, alice, HTTP/app.corp.test, LOGIN, APX-630",
    "svc-gone@CORP.TEST, svc-gone, alice, HTTP/app.corp.test, LOGIN, APX-630",
    "svc-noproto@CORP.TEST, svc-noproto, alice, HTTP/app.corp.test, USER, APX-626",
    "svc-nospn@CORP.TEST, svc-nospn, alice, HTTP/app.corp.test, USER, APX-633",
    "svc-apprxy@CORP.TEST, svc-apprxy, nobody, HTTP/app.corp.test, USER, APX-623",
    "svc-apprxy@CORP.TEST, svc-apprxy, sensitive, HTTP/app.corp.test, USER, APX-625",
    "svc-apprxy@CORP.TEST, svc-apprxy, sensitive, HTTP/other.corp.test, USER, APX-627",
    "svc-apprxy@CORP.TEST, svc-apprxy, disabled, HTTP/app.corp.test, USER, APX-624",
    "svc-apprxy@CORP.TEST, svc-apprxy, expired, HTTP/app.corp.test, USER, APX-624",
    "svc-apprxy@CORP.TEST, svc-apprxy, mustchange, HTTP/app.corp.test, SERVICE, APX-624",
    "svc-apprxy@CORP.TEST, svc-apprxy, alice, HTTP/other.corp.test, SERVICE, APX-627",
    "svc-apprxy@CORP.TEST, svc-apprxy, alice, HTTP/ghost.corp.test, SERVICE, APX-628",
    "svc-apprxy@CORP.TEST, svc-apprxy, alice, HTTP/rc4.corp.test, SERVICE, APX-631",
    "svc-apprxy@CORP.TEST, svc-apprxy, alice, HTTP/java.corp.test, ORIGIN, APX-620"
  })
  void doctor_namesTheStepThatFails_andTheFix(
      String account,
      String keytab,
      String user,
      String service,
      Check step,
      String code,
      Domain domain)
      throws Exception {
    List<Finding> findings = examine(domain, account, keytab, user, service, domain.url());

    Finding last = findings.get(findings.size() - 1);
    assertThat(findings).filteredOn(finding -> !finding.isWell()).containsExactly(last);
    assertThat(last.check()).isEqualTo(step);
    assertThat(last.code().code()).as(last.text()).isEqualTo(code);
    assertThat(last.remedy()).isEqualTo(last.code().remedy());
  }

  @Test
  void doctor_tellsAboutAnOriginThatAsksNobody_andOneThatIsNotThere(Domain domain)
      throws Exception {
    String open = opened(DemoApplication.start(0)).url().toString();
    assertThat(examine(domain, Domain.ACCOUNT, "svc-apprxy", "alice", Domain.APP, open).get(5))
        .satisfies(finding -> assertThat(finding.remedy()).contains("demands Negotiate"));
    String nowhere = "http://127.0.0.1:" + DemoSetup.portOrFree(0) + "/";
    assertThat(examine(domain, Domain.ACCOUNT, "svc-apprxy", "alice", Domain.APP, nowhere).get(5))
        .satisfies(finding -> assertThat(finding.code().code()).isEqualTo("APX-601"));
  }

  private static List<Finding> examine(
      Domain domain, String account, String keytab, String user, String service, String origin) {
    return KerberosDoctor.builder(account, domain.keytab(keytab), user + "@CORP.TEST", service)
        .origin(URI.create(origin))
        .build()
        .examine();
  }

  // ---- parts

  private KerberosSignOn kerberos(Domain domain) {
    return opened(KerberosSignOn.builder(Domain.ACCOUNT, domain.keytab("svc-apprxy")).build());
  }

  private KerberosOrigin origin(Domain domain) throws Exception {
    return opened(new KerberosOrigin(domain.keytab("java"), Domain.JAVA + "@CORP.TEST"));
  }

  private void start(String origin, KerberosDelegation delegation, Domain domain) throws Exception {
    start(origin, delegation, kerberos(domain));
  }

  /** A gateway whose users are whom their requests name: what signs them in is another's test. */
  private void start(String origin, KerberosDelegation delegation, SignOn signOn) throws Exception {
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                exchange -> {
                  String user = String.valueOf(exchange.header("Test-User"));
                  exchange.identify(
                      new Identity(
                          "https://idp.test", user, user, Instant.now(), Map.of("name", user)));
                  return Verdict.proceed();
                })
            .accessPolicy(new AssignmentPolicy())
            .signOn(signOn)
            .publish(
                Application.builder("app")
                    .externalUrl(url.toString())
                    .internalUrl(origin)
                    .assignEveryone()
                    .passthroughPath("/open", "GET")
                    .kerberosSignOn(delegation)
                    .build())
            .build()
            .start());
  }

  private HttpRequest.Builder request(String user) {
    return HttpRequest.newBuilder(url)
        .timeout(Duration.ofSeconds(60))
        .header("Test-User", user)
        .header("Accept", "text/html");
  }

  private HttpResponse<String> get(String user) throws Exception {
    return send(request(user).build());
  }

  private HttpResponse<String> send(HttpRequest request) throws Exception {
    return http.send(request, BodyHandlers.ofString());
  }

  private <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }
}

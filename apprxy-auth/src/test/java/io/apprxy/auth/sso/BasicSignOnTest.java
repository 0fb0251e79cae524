package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.BasicAuthentication;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import io.apprxy.Verdict;
import io.apprxy.auth.sso.SecretStore.Account;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BasicSignOnTest {
  private static final String ISSUER = "https://issuer.test";

  private final Map<SecretStore.Key, Account> accounts = new ConcurrentHashMap<>();
  private final List<SecretStore.Key> asked = new CopyOnWriteArrayList<>();
  private final BasicSignOn signOn =
      new BasicSignOn(
          key -> {
            asked.add(key);
            return CompletableFuture.completedFuture(accounts.get(key));
          });

  @Test
  void sharedAccount_isEverybodys() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "pass:wörd"));

    assertThat(decoded(signOn(BasicAuthentication.shared(), alice()))).isEqualTo("svc:pass:wörd");
    assertThat(decoded(signOn(BasicAuthentication.shared(), user(ISSUER, "bob"))))
        .isEqualTo("svc:pass:wörd");
  }

  @Test
  void ownAccount_isFoundByTheClaim_andTheProviderThatVouchesForIt() {
    accounts.put(SecretStore.Key.of("wiki", ISSUER, "alice"), new Account("al", "1"));
    accounts.put(SecretStore.Key.of("wiki", "https://other.test", "alice"), new Account("x", "2"));
    BasicAuthentication own = BasicAuthentication.ofEachUser("preferred_username");

    assertThat(decoded(signOn(own, alice()))).isEqualTo("al:1");
    assertThat(decoded(signOn(own, user("https://other.test", "alice")))).isEqualTo("x:2");
  }

  @Test
  void userWithoutAccount_isRefused_andDoesNotGetTheSharedOne() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "secret"));
    accounts.put(SecretStore.Key.of("other", ISSUER, "alice"), new Account("al", "1"));

    assertRefused(
        () -> signOn(BasicAuthentication.ofEachUser("preferred_username"), alice()),
        ErrorCode.NO_ACCOUNT);
  }

  @ParameterizedTest
  @ValueSource(strings = {"missing", "empty", "several"})
  void userWithoutOneName_isRefused_andNothingIsAsked(String claim) {
    assertRefused(
        () -> signOn(BasicAuthentication.ofEachUser(claim), alice()), ErrorCode.CLAIM_MISSING);
    assertThat(asked).isEmpty();
  }

  @Test
  void store_isAskedOnce_forManyRequests() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "secret"));
    for (int i = 0; i < 100; i++) {
      signOn(BasicAuthentication.shared(), alice());
    }

    assertThat(asked).hasSize(1);
  }

  @Test
  void passwordThatTheOriginRefuses_endsTheRequest_andTheNextOneAsksTheStore() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "old"));
    Request request = signOn(BasicAuthentication.shared(), alice());
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "new"));

    assertRefused(
        () -> request.isRefused.test(new Answer(401, "Basic realm=\"x\"")),
        ErrorCode.ORIGIN_REFUSED_SIGN_ON);
    assertThat(decoded(signOn(BasicAuthentication.shared(), alice()))).isEqualTo("svc:new");
  }

  @Test
  void passwordThatTheOriginRefused_isNotSentAgain() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "wrong"));
    Request request = signOn(BasicAuthentication.shared(), alice());
    assertRefused(
        () -> request.isRefused.test(new Answer(401, "Basic realm=\"x\"")),
        ErrorCode.ORIGIN_REFUSED_SIGN_ON);

    for (int i = 0; i < 3; i++) {
      assertRefused(
          () -> signOn(BasicAuthentication.shared(), alice()), ErrorCode.ORIGIN_REFUSED_SIGN_ON);
    }
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "right"));
    assertThat(decoded(signOn(BasicAuthentication.shared(), alice()))).isEqualTo("svc:right");
  }

  /** As Apache httpd answers to those who are known, and may not see a page. */
  @Test
  void pageThatIsRefusedToAnAccountThatWorks_barsNobodyElseFromIt() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "right"));
    answered(alice(), 200);
    Identity mallory = user(ISSUER, "1", "mallory");
    for (int i = 0; i < 3; i++) {
      refused(mallory);
    }

    assertRefused(
        () -> signOn(BasicAuthentication.shared(), mallory), ErrorCode.ORIGIN_REFUSED_SIGN_ON);
    for (int i = 0; i < 2; i++) {
      answered(alice(), 200);
      refused(alice());
    }
    answered(alice(), 200);
  }

  /** It was changed at the origin: two attempts are enough to know. */
  @Test
  void passwordThatWorksNoLonger_isNotSentForEverybodyInTurn() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "former"));
    answered(alice(), 200);
    refused(alice());
    refused(user(ISSUER, "1", "bob"));

    for (Identity one : List.of(alice(), user(ISSUER, "2", "carol"))) {
      assertRefused(
          () -> signOn(BasicAuthentication.shared(), one), ErrorCode.ORIGIN_REFUSED_SIGN_ON);
    }
  }

  @Test
  void accountThatWorks_isBarredAfterThreeInARow() {
    BasicAuthentication own = BasicAuthentication.ofEachUser("preferred_username");
    accounts.put(SecretStore.Key.of("wiki", ISSUER, "alice"), new Account("al", "former"));
    assertThat(signOn(own, alice()).isRefused.test(new Answer(200, ""))).isFalse();
    for (int i = 0; i < 3; i++) {
      Request request = signOn(own, alice());
      assertRefused(
          () -> request.isRefused.test(new Answer(401, "Basic realm=x")),
          ErrorCode.ORIGIN_REFUSED_SIGN_ON);
    }

    assertRefused(() -> signOn(own, alice()), ErrorCode.ORIGIN_REFUSED_SIGN_ON);
  }

  private void answered(Identity who, int status) {
    Request request = signOn(BasicAuthentication.shared(), who);
    assertThat(request.isRefused.test(new Answer(status, ""))).isFalse();
  }

  private void refused(Identity who) {
    Request request = signOn(BasicAuthentication.shared(), who);
    assertRefused(
        () -> request.isRefused.test(new Answer(401, "Basic realm=x")),
        ErrorCode.ORIGIN_REFUSED_SIGN_ON);
  }

  @Test
  void otherAnswers_areTheClients() {
    accounts.put(SecretStore.Key.shared("wiki"), new Account("svc", "secret"));
    Request request = signOn(BasicAuthentication.shared(), alice());

    assertThat(request.isRefused.test(new Answer(200, ""))).isFalse();
    assertThat(request.isRefused.test(new Answer(403, "Basic realm=x"))).isFalse();
    assertThat(request.isRefused.test(new Answer(401, "Bearer"))).isFalse();
  }

  @Test
  void storeThatFails_refusesTheRequest() {
    BasicSignOn failing =
        new BasicSignOn(key -> CompletableFuture.failedFuture(new IllegalStateException("down")));
    BasicSignOn throwing =
        new BasicSignOn(
            key -> {
              throw new IllegalStateException("down");
            });

    for (BasicSignOn one : List.of(failing, throwing)) {
      assertRefused(
          () -> settle(one.signOn(new Request(), alice(), wiki(BasicAuthentication.shared()))),
          ErrorCode.SECRETS_UNAVAILABLE);
    }
  }

  @Test
  void applicationWithoutBasic_isLeftAlone() {
    Request request = new Request();
    Application plain =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .assignEveryone()
            .build();

    assertThat(signOn.signOn(request, alice(), plain)).isInstanceOf(Verdict.Proceed.class);
    assertThat(request.authorization).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a:b", "a\nb"})
  void accountThatCannotBeSent_isRefused_andNotTold(String name) {
    assertThatThrownBy(() -> new Account(name, "secret"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("secret");
    assertThatThrownBy(() -> new Account("name", "se\ncret"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("cret");
    assertThat(new Account("name", "secret")).hasToString("Account[name]");
  }

  private static Application wiki(BasicAuthentication basic) {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .basicSignOn(basic)
        .build();
  }

  private Request signOn(BasicAuthentication basic, Identity who) {
    Request request = new Request();
    assertThat(settle(signOn.signOn(request, who, wiki(basic))))
        .isInstanceOf(Verdict.Proceed.class);
    return request;
  }

  private static Identity alice() {
    return user(ISSUER, "alice");
  }

  private static Identity user(String issuer, String name) {
    return user(issuer, "4711", name);
  }

  private static Identity user(String issuer, String subject, String name) {
    return new Identity(
        issuer,
        subject,
        "session",
        Instant.EPOCH,
        Map.of("preferred_username", name, "empty", "", "several", List.of("a", "b")));
  }

  private static String decoded(Request request) {
    assertThat(request.authorization).hasSize(1);
    String credentials = request.authorization.get(0);
    assertThat(credentials).startsWith("Basic ");
    return new String(Base64.getDecoder().decode(credentials.substring(6)), StandardCharsets.UTF_8);
  }

  private static void assertRefused(Callable<?> request, ErrorCode code) {
    assertThatThrownBy(request::call)
        .isInstanceOfSatisfying(
            GatewayException.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }

  private static Verdict settle(Verdict verdict) {
    if (!(verdict instanceof Verdict.Later later)) {
      return verdict;
    }
    try {
      return later.outcome().toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private record Answer(int status, String challenge) implements OriginAnswer {
    @Override
    public List<String> headers(String name) {
      return challenge.isEmpty() ? List.of() : List.of(challenge);
    }

    @Override
    public void remove(String name) {
      throw new AssertionError("nothing is to be removed");
    }
  }

  private static final class Request implements OriginRequest {
    private List<String> authorization = new ArrayList<>();
    private Predicate<OriginAnswer> isRefused;

    @Override
    public void set(String name, List<String> values) {
      assertThat(name).isEqualTo("Authorization");
      authorization = values;
    }

    @Override
    public void remove(String name) {
      authorization = List.of();
    }

    @Override
    public void onAnswer(Predicate<OriginAnswer> refused) {
      isRefused = refused;
    }
  }
}

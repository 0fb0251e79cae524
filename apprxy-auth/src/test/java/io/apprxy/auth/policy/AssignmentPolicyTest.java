package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AssignmentPolicyTest {
  private static final Identity ALICE =
      identity(
          "4711",
          Map.of(
              "preferred_username", "alice",
              "upn", "alice@corp.example",
              "email", "alice@example.com",
              "email_verified", true,
              "groups", List.of("staff", "/sales/emea")));

  @ParameterizedTest
  @ValueSource(strings = {"alice@example.com", "4711"})
  void assignedUser_mayPass_bySubjectOrVerifiedAddress(String name) {
    assertThat(decide(ALICE, app -> app.assignUsers(name))).isEqualTo(Verdict.proceed());
  }

  @ParameterizedTest
  @ValueSource(strings = {"alice", "alice@corp.example", "alice@example.com", "4711"})
  void assignedUser_mayPass_byClaimsThatTheGatewayBelieves(String name) {
    assertThat(
            decide(
                ALICE,
                app -> app.assignUsers(name),
                AssignmentPolicy.believing("preferred_username", "upn")))
        .isEqualTo(Verdict.proceed());
  }

  /** OpenID Connect Core §5.7: another user's address can be a user's name. */
  @ParameterizedTest
  @ValueSource(strings = {"preferred_username", "upn", "name", "nickname"})
  void nameThatUsersMayChoose_isNoProof(String claim) {
    assertRefused(
        identity("1", Map.of(claim, "alice@example.com")),
        app -> app.assignUsers("alice@example.com"),
        ErrorCode.NOT_ASSIGNED);
  }

  @ParameterizedTest
  @ValueSource(strings = {"staff", "/staff", "sales/emea", "/sales/emea"})
  void memberOfAnAssignedGroup_mayPass(String group) {
    assertThat(decide(ALICE, app -> app.assignGroups(group))).isEqualTo(Verdict.proceed());
  }

  @Test
  void anyOfSeveralAssignments_isEnough() {
    assertThat(decide(ALICE, app -> app.assignUsers("bob").assignGroups("admins", "staff")))
        .isEqualTo(Verdict.proceed());
  }

  @Test
  void everyone_mayPass_whereEveryoneIsAssigned() {
    assertThat(decide(identity("1", Map.of()), Application.Builder::assignEveryone))
        .isEqualTo(Verdict.proceed());
  }

  @ParameterizedTest
  @ValueSource(strings = {"bob", "Alice", "alic", "alice ", "staff", "https://issuer.test"})
  void anybodyElse_isRefused(String user) {
    assertRefused(ALICE, app -> app.assignUsers(user), ErrorCode.NOT_ASSIGNED);
  }

  @ParameterizedTest
  @ValueSource(strings = {"Staff", "sta", "alice", "sales", "//staff", "emea", "staff/"})
  void memberOfOtherGroups_isRefused(String group) {
    assertRefused(ALICE, app -> app.assignGroups(group), ErrorCode.NOT_ASSIGNED);
  }

  @Test
  void userWithoutGroups_isRefused() {
    assertRefused(
        identity("1", Map.of()), app -> app.assignGroups("staff"), ErrorCode.NOT_ASSIGNED);
  }

  @Test
  void groupsThatAreOneString_areOneGroup() {
    Identity joined = identity("1", Map.of("groups", "staff,admins"));

    assertRefused(joined, app -> app.assignGroups("admins"), ErrorCode.NOT_ASSIGNED);
  }

  /** A provider may let users type any address. */
  @Test
  void emailThatNobodyVerified_isNoName() {
    assertRefused(
        identity("1", Map.of("email", "alice@example.com")),
        app -> app.assignUsers("alice@example.com"),
        ErrorCode.NOT_ASSIGNED);
    assertRefused(
        identity("1", Map.of("email", "alice@example.com", "email_verified", "false")),
        app -> app.assignUsers("alice@example.com"),
        ErrorCode.NOT_ASSIGNED);
  }

  @Test
  void nobody_isRefused_evenWhereEveryoneIsAssigned() {
    assertRefused(null, Application.Builder::assignEveryone, ErrorCode.SIGN_IN_REQUIRED);
  }

  private static void assertRefused(
      Identity identity, UnaryOperator<Application.Builder> assign, ErrorCode code) {
    assertThatThrownBy(() -> decide(identity, assign))
        .isInstanceOfSatisfying(
            GatewayException.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }

  private static Verdict decide(Identity identity, UnaryOperator<Application.Builder> assign) {
    return decide(identity, assign, new AssignmentPolicy());
  }

  private static Verdict decide(
      Identity identity, UnaryOperator<Application.Builder> assign, AssignmentPolicy policy) {
    Application application =
        assign
            .apply(
                Application.builder("wiki")
                    .externalUrl("https://wiki.example/")
                    .internalUrl("http://wiki.corp/"))
            .build();
    TestExchange exchange =
        new TestExchange("wiki.example", "GET", "/", Map.of(), Map.of(), application);
    if (identity != null) {
      exchange.identify(identity);
    }
    return policy.authorize(exchange);
  }

  private static Identity identity(String subject, Map<String, Object> claims) {
    return new Identity("https://issuer.test", subject, "session", Instant.EPOCH, claims);
  }
}

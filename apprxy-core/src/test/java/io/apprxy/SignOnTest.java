package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class SignOnTest {
  private final List<String> order = new ArrayList<>();
  private final CompletableFuture<Verdict> pending = new CompletableFuture<>();

  private SignOn named(String name, Verdict verdict) {
    return (request, identity, application) -> {
      order.add(name);
      return verdict;
    };
  }

  private static Verdict ask(SignOn signOn) {
    return signOn.signOn(null, null, null);
  }

  @Test
  void oneAfterTheOther() {
    SignOn both = named("first", Verdict.proceed()).then(named("second", Verdict.proceed()));

    assertThat(ask(both)).isEqualTo(Verdict.proceed());
    assertThat(order).containsExactly("first", "second");
  }

  @Test
  void second_waitsForTheFirst() {
    SignOn both = named("first", Verdict.later(pending)).then(named("second", Verdict.proceed()));

    Verdict.Later later = (Verdict.Later) ask(both);
    assertThat(order).containsExactly("first");
    pending.complete(Verdict.proceed());

    assertThat(later.outcome().toCompletableFuture()).isCompletedWithValue(Verdict.proceed());
    assertThat(order).containsExactly("first", "second");
  }

  @Test
  void second_isNotAsked_ifTheFirstAnswersOrFails() {
    Verdict answer = Verdict.answer(Response.of(403));

    assertThat(ask(named("first", answer).then(named("second", Verdict.proceed()))))
        .isEqualTo(answer);
    Verdict.Later later =
        (Verdict.Later) ask(named("x", Verdict.later(pending)).then(named("second", answer)));
    pending.completeExceptionally(new IllegalStateException("no ticket"));

    assertThat(later.outcome().toCompletableFuture()).isCompletedExceptionally();
    assertThat(order).doesNotContain("second");
  }

  @Test
  void both_areToldWhichSessionsEnded() {
    List<EndedSessions> heard = new ArrayList<>();
    SignOn keeper = EndedSessionsTest.recording(heard);

    keeper.then(named("keeps nothing", Verdict.proceed())).then(keeper).forget(EndedSessions.all());

    assertThat(heard).containsExactly(EndedSessions.all(), EndedSessions.all());
  }
}

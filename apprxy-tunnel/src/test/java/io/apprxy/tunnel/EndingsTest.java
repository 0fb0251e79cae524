package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.EndedSessions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EndingsTest {
  private final List<Way> open = new ArrayList<>();
  private final Endings endings = new Endings();
  private final Way first = new Way();
  private final Way second = new Way();

  /** A connection that takes what the test says. */
  private static final class Way implements Endings.Way {
    final List<EndedSessions> asked = new ArrayList<>();
    CompletableFuture<Void> answer = new CompletableFuture<>();

    @Override
    public CompletableFuture<Void> forget(EndedSessions ended) {
      asked.add(ended);
      return answer;
    }

    void answers() {
      CompletableFuture<Void> answered = answer;
      answer = new CompletableFuture<>();
      answered.complete(null);
    }

    void fails() {
      CompletableFuture<Void> answered = answer;
      answer = new CompletableFuture<>();
      answered.completeExceptionally(new IllegalStateException("lost"));
    }
  }

  private static EndedSessions marks(Long... marks) {
    return new EndedSessions(Set.of(marks));
  }

  @BeforeEach
  void connect() {
    open.add(first);
    endings.goBy(() -> List.copyOf(open).stream());
    endings.send();
  }

  @Test
  void connectorThatIsNew_forgetsAll_forItMayHaveMissedSome() {
    assertThat(first.asked).containsExactly(EndedSessions.all());
  }

  @Test
  void whatEndsMeanwhile_isInTheNextMessage() {
    endings.add(marks(1L));
    endings.add(marks(2L, 3L));
    assertThat(first.asked).hasSize(1);

    first.answers();

    assertThat(first.asked).hasSize(2).last().isEqualTo(marks(1L, 2L, 3L));
    first.answers();
    assertThat(first.asked).as("all is told").hasSize(2);
  }

  @Test
  void whatOneConnectionDoesNotTake_goesByAnother() {
    open.add(second);
    first.answers();
    endings.add(marks(1L));

    first.fails();

    assertThat(second.asked).containsExactly(marks(1L));
  }

  @Test
  void whatNobodyTakes_waitsForTheNextConnection_withWhatEndsMeanwhile() {
    first.answers();
    endings.add(marks(1L));
    first.fails();
    open.clear();
    endings.add(marks(2L));

    open.add(second);
    endings.send();

    assertThat(second.asked).containsExactly(marks(1L, 2L));
  }

  @Test
  void connectionThatComesWhileTheOthersFail_isUsed() {
    first.answers();
    endings.add(marks(1L));
    open.add(second);
    endings.send();
    assertThat(second.asked).as("one message at a time").isEmpty();

    first.fails();

    assertThat(second.asked).containsExactly(marks(1L));
  }

  /** Or one that never takes it would be sent more and more. */
  @Test
  void whatWaits_besideAll_isAll() {
    endings.add(marks(1L));
    first.fails();

    endings.add(marks(2L));

    assertThat(first.asked).containsExactly(EndedSessions.all(), EndedSessions.all());
  }

  @Test
  void tooMany_areAll() {
    for (long mark = 0; mark <= Endings.MAX; mark++) {
      endings.add(marks(mark));
    }

    first.answers();

    assertThat(first.asked).last().isEqualTo(EndedSessions.all());
  }
}

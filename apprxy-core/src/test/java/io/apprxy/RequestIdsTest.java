package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RequestIdsTest {
  @Test
  void id_isOf128Bits() {
    assertThat(Stream.generate(RequestIds::next).limit(200))
        .allMatch(id -> id.matches("[0-9a-f]{32}"));
  }

  @Test
  void noTwo_areTheSame_onAnyThread() throws InterruptedException {
    Set<String> ids = ConcurrentHashMap.newKeySet();
    List<Thread> threads =
        IntStream.range(0, 4)
            .mapToObj(
                number ->
                    new Thread(
                        () -> IntStream.range(0, 1_000).forEach(i -> ids.add(RequestIds.next()))))
            .toList();
    threads.forEach(Thread::start);
    for (Thread thread : threads) {
      thread.join();
    }

    assertThat(ids).hasSize(4_000);
  }
}

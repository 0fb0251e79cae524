package io.apprxy.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MemoryStateTest extends StateContract {
  @Override
  SharedState open() {
    return new MemoryState(clock);
  }

  @Test
  void whatIsOver_isNotKept() {
    MemoryState memory = (MemoryState) state;
    for (int i = 0; i < 9_999; i++) {
      done(memory.put("a/" + i, "x", MINUTE));
    }
    assertThat(memory.size()).isEqualTo(9_999);
    clock.advance(MINUTE);
    done(memory.put("b/1", "x", MINUTE));
    assertThat(memory.size()).isEqualTo(1);
  }
}

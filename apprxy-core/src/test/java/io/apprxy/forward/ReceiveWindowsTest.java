package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ReceiveWindowsTest {
  private static final int HALF = ReceiveWindows.INITIAL / 2;

  private final ReceiveWindows windows = new ReceiveWindows();

  @BeforeEach
  void streamsBegin() {
    for (int stream = 1; stream <= 1_001; stream++) {
      windows.began(stream);
    }
  }

  @Test
  void onlyStream_getsAWindowForALongWay() {
    assertThat(windows.read(1, HALF)).isGreaterThan(1_900_000);
  }

  @Test
  void streamWithEnoughLeft_isToldNothing() {
    windows.read(1, HALF);
    assertThat(windows.read(1, HALF)).isZero();
  }

  @Test
  void streamThatIsReadOn_mayAlwaysSendOn() {
    int maySend = ReceiveWindows.INITIAL;
    for (int i = 0; i < 10_000; i++) {
      maySend += windows.read(1, HALF) - HALF;
      assertThat(maySend).isGreaterThan(HALF);
    }
  }

  @Test
  void readersThatAllStop_holdNoMoreThanIsShared_besideWhatEachBeganWith() {
    long held = 0;
    for (int stream = 1; stream <= 1_000; stream++) {
      held += windows.read(stream, HALF) - HALF;
    }
    assertThat(held).isLessThanOrEqualTo(ReceiveWindows.SHARED);
    assertThat(windows.read(1_001, HALF)).isGreaterThanOrEqualTo(HALF);
  }

  @Test
  void streamsThatEnd_giveBackWhatTheyHad() {
    int first = windows.read(1, HALF);
    for (int stream = 2; stream <= 100; stream++) {
      windows.read(stream, HALF);
    }
    for (int stream = 1; stream <= 100; stream++) {
      windows.ended(stream);
      windows.ended(stream);
    }
    assertThat(windows.read(101, HALF)).isEqualTo(first);
  }

  @Test
  void streamThatHasEnded_getsNothing() {
    windows.ended(1);
    assertThat(windows.read(1, HALF)).isZero();
  }

  @Test
  void streamThatIsReadOn_givesToOthersWhatItHadTooMuch() {
    int alone = windows.read(1, HALF);
    for (int stream = 2; stream <= 50; stream++) {
      windows.read(stream, HALF);
    }
    int before = windows.read(51, HALF);
    windows.ended(51);
    windows.began(51);
    windows.read(1, alone);
    assertThat(windows.read(51, HALF)).isGreaterThan(before);
  }
}

package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ReceiveWindowsTest {
  private final ReceiveWindows windows = new ReceiveWindows();

  @Test
  void onlyStream_getsAWindowForALongWay() {
    grant(1);
    assertThat(windows.next()).isGreaterThan(1_900_000);
  }

  @Test
  void readersThatAllStop_holdNoMoreThanIsShared_besideWhatEachBeganWith() {
    long held = 0;
    for (int stream = 1; stream <= 1_000; stream++) {
      held += windows.next() - ReceiveWindows.INITIAL;
      grant(stream);
    }
    assertThat(held).isLessThanOrEqualTo(ReceiveWindows.SHARED);
    assertThat(windows.next()).isGreaterThanOrEqualTo(ReceiveWindows.INITIAL);
  }

  @Test
  void streamsThatEnd_giveBackWhatTheyHad() {
    int first = windows.next();
    for (int stream = 1; stream <= 100; stream++) {
      grant(stream);
    }
    for (int stream = 1; stream <= 100; stream++) {
      windows.ended(stream);
      windows.ended(stream);
    }
    assertThat(windows.next()).isEqualTo(first);
  }

  @Test
  void streamThatIsReadOn_givesToOthersWhatItHadTooMuch() {
    grant(1);
    for (int stream = 2; stream <= 50; stream++) {
      grant(stream);
    }
    int before = windows.next();
    grant(1);
    assertThat(windows.next()).isGreaterThan(before);
  }

  private void grant(int stream) {
    windows.granted(stream, windows.next());
  }
}

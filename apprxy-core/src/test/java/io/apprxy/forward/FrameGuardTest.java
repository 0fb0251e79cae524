package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.undertow.protocols.http2.ConnectionErrorException;
import io.undertow.protocols.http2.Http2Channel;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.xnio.conduits.StreamSourceConduit;

/** What a peer may do, and where it ends; that the connection ends with it, other tests prove. */
class FrameGuardTest {
  private static final int DATA = 0;
  private static final int HEADERS = 1;
  private static final int RST_STREAM = 3;
  private static final int SETTINGS = 4;
  private static final int PING = 6;
  private static final int END_STREAM = 1;
  private static final int WINDOW = 1_000;
  private static final int LARGEST_WINDOW = 5_000;
  private static final int RESETS = 100;

  private final FrameGuard server = guard(false);
  private final FrameGuard client = guard(true);

  FrameGuardTest() throws IOException {
    server.inspect(
        ByteBuffer.wrap("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
  }

  // ---- lengths

  @Test
  void headers_thatAreTooShortForTheirFlags_endTheConnection() throws IOException {
    int padded = 8;
    int priority = 0x20;
    server.inspect(frame(HEADERS, padded | priority, 1, 6));
    assertEnds(frame(HEADERS, padded | priority, 3, 5), Http2Channel.ERROR_FRAME_SIZE_ERROR);
  }

  @Test
  void acknowledgedSettings_thatSayMore_endTheConnection() throws IOException {
    int ack = 1;
    server.inspect(frame(SETTINGS, ack, 0, 0));
    assertEnds(frame(SETTINGS, ack, 0, 6), Http2Channel.ERROR_FRAME_SIZE_ERROR);
  }

  // ---- windows

  @Test
  void stream_thatSendsItsWindow_mayNotSendMore() throws IOException {
    open(1);
    server.inspect(frame(DATA, 0, 1, WINDOW));

    assertEnds(frame(DATA, 0, 1, 1), Http2Channel.ERROR_FLOW_CONTROL_ERROR);
  }

  @Test
  void stream_thatIsCredited_maySendThatMore() throws IOException {
    open(1);
    server.inspect(frame(DATA, 0, 1, WINDOW));
    server.credited(1, 300);
    server.inspect(frame(DATA, 0, 1, 300));

    assertEnds(frame(DATA, 0, 1, 1), Http2Channel.ERROR_FLOW_CONTROL_ERROR);
  }

  @Test
  void windows_areThoseOfEachStream() throws IOException {
    for (int stream = 1; stream < 100_000; stream += 2) {
      open(stream);
      server.inspect(frame(DATA, END_STREAM, stream, WINDOW));
    }
  }

  /** What is forgotten may be anything up to the largest. */
  @Test
  void stream_whoseWindowIsForgottenAmongMany_isNotCutOffForIt() throws IOException {
    open(1);
    server.inspect(frame(DATA, 0, 1, WINDOW));
    server.credited(1, LARGEST_WINDOW);
    for (int stream = 3; stream < 50_000; stream += 2) {
      open(stream);
      server.inspect(frame(DATA, 0, stream, 1));
    }

    server.inspect(frame(DATA, 0, 1, LARGEST_WINDOW));
  }

  // ---- streams

  @Test
  void frame_ofAStreamThatNobodyOpened_endsTheConnection() {
    assertEnds(frame(DATA, 0, 1, 1), Http2Channel.ERROR_PROTOCOL_ERROR);
  }

  @Test
  void response_isTakenOnlyOnStreamsThatWereOpened() throws IOException {
    client.opened(5);
    client.inspect(frame(HEADERS, 0, 5, 1));

    assertThatThrownBy(() -> client.inspect(frame(HEADERS, 0, 6, 1)))
        .isInstanceOf(ConnectionErrorException.class);
  }

  @Test
  void resets_ofEachStream_endTheConnection() {
    assertThatThrownBy(
            () -> {
              for (int stream = 1; stream < 10 * RESETS; stream += 2) {
                open(stream);
                server.inspect(frame(RST_STREAM, 0, stream, 4));
              }
            })
        .hasMessageContaining("resets too many streams");
  }

  @Test
  void resets_ofOneStreamInThree_areTheWayOfUsers() throws IOException {
    for (int stream = 1; stream < 100 * RESETS; stream += 2) {
      open(stream);
      if (stream % 3 == 0) {
        server.inspect(frame(RST_STREAM, 0, stream, 4));
      }
    }
  }

  // ---- frames that ask for nothing

  @Test
  void pings_ofSomebodyWhoMeasures_areFine() throws IOException {
    for (int i = 0; i < 5_000; i++) {
      server.inspect(frame(PING, 0, 0, 8));
    }
  }

  @Test
  void pings_withoutEnd_endTheConnection() {
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 100_000; i++) {
                server.inspect(frame(PING, 0, 0, 8));
              }
            })
        .hasMessageContaining("ask for nothing");
  }

  // ---- settings

  @Test
  void largestHeaderList_isWhatThePeerSays() throws IOException {
    assertThat(server.maxHeaderList()).isEqualTo(Long.MAX_VALUE);
    server.inspect(settings(6, 20_000));

    assertThat(server.maxHeaderList()).isEqualTo(20_000);
  }

  @Test
  void tableOfHeaders_ofTheSizeThatBrowsersAskFor_isGiven_andAHugeOneNot() {
    assertThatCode(() -> server.inspect(settings(1, 65_536))).doesNotThrowAnyException();
    assertEnds(settings(1, -1), Http2Channel.ERROR_ENHANCE_YOUR_CALM);
  }

  // ----

  private void open(int stream) throws IOException {
    server.inspect(frame(HEADERS, 0, stream, 1));
  }

  private void assertEnds(ByteBuffer bytes, int code) {
    assertThatThrownBy(() -> server.inspect(bytes))
        .isInstanceOfSatisfying(
            ConnectionErrorException.class, e -> assertThat(e.getCode()).isEqualTo(code));
  }

  static FrameGuard guard(boolean client) {
    Object none =
        Proxy.newProxyInstance(
            FrameGuardTest.class.getClassLoader(),
            new Class<?>[] {StreamSourceConduit.class},
            (proxy, method, arguments) -> {
              throw new UnsupportedOperationException(method.toString());
            });
    return new FrameGuard((StreamSourceConduit) none, null, client, WINDOW, LARGEST_WINDOW, RESETS);
  }

  private static ByteBuffer frame(int type, int flags, int stream, int length) {
    return ByteBuffer.allocate(9 + length)
        .putInt(length << 8 | type)
        .put((byte) flags)
        .putInt(stream)
        .rewind();
  }

  private static ByteBuffer settings(int id, int value) {
    return frame(SETTINGS, 0, 0, 6).putShort(9, (short) id).putInt(11, value);
  }
}

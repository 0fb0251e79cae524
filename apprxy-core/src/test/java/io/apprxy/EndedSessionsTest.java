package io.apprxy;

import static io.apprxy.EndedSessions.mark;
import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.balance.EndpointState;
import io.apprxy.forward.Dispatcher;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Which identities are meant, and who is told. */
class EndedSessionsTest {
  private static final String ISSUER = "https://issuer.test";

  private static Identity identity(Map<String, Object> claims) {
    return new Identity(ISSUER, "a-1", "session-1", Instant.EPOCH, claims);
  }

  private static EndedSessions ended(String kind, String... parts) {
    return new EndedSessions(Set.of(mark(kind, parts)));
  }

  @Test
  void session_isKnownByItsId_andItsUser() {
    Identity alice = identity(Map.of());

    assertThat(ended("session", "session-1")).accepts(alice);
    assertThat(ended("user", ISSUER, "a-1")).accepts(alice);
    assertThat(ended("session", "session-2").or(ended("user", ISSUER, "a-2"))).rejects(alice);
    assertThat(ended("user", "https://other.test", "a-1")).rejects(alice);
    assertThat(new EndedSessions(Set.of())).rejects(alice);
  }

  @Test
  void session_isKnownByTheProvidersSession_theAddress_andTheDevice() {
    Identity alice =
        identity(Map.of("sid", "s", "email", "Alice@Example.com", "deviceid", "laptop"));

    assertThat(ended("sid", ISSUER, "s")).accepts(alice);
    assertThat(ended("user+sid", ISSUER, "s", "a-1")).accepts(alice);
    assertThat(ended("user+no-sid", ISSUER, "a-1")).rejects(alice).accepts(identity(Map.of()));
    assertThat(ended("email", ISSUER, "alice@example.com")).accepts(alice);
    assertThat(ended("device", ISSUER, "laptop")).accepts(alice);
    assertThat(ended("user+device", ISSUER, "laptop", "a-1")).accepts(alice);
    assertThat(ended("user+no-device", ISSUER, "a-1")).rejects(alice).accepts(identity(Map.of()));
  }

  @Test
  void partsThatAreCutElsewhere_makeAnotherMark() {
    assertThat(mark("user", "ab", "c")).isNotEqualTo(mark("user", "a", "bc"));
    assertThat(mark("user", "a")).isNotEqualTo(mark("user", "a", ""));
  }

  @Test
  void all_areEverybodys() {
    assertThat(EndedSessions.all()).accepts(identity(Map.of()), identity(Map.of("sid", "s")));
  }

  @Test
  void stagesThatSignOn_areToldByTheGateway_andConnectorsToo() {
    List<EndedSessions> signOn = new ArrayList<>();
    List<EndedSessions> connectors = new ArrayList<>();
    List<Consumer<EndedSessions>> listeners = new ArrayList<>();
    try (Gateway gateway =
        Gateway.builder()
            .preAuthentication(
                new PreAuthentication() {
                  @Override
                  public Verdict authenticate(Exchange exchange) {
                    return Verdict.proceed();
                  }

                  @Override
                  public void whenEnded(Consumer<EndedSessions> listener) {
                    listeners.add(listener);
                  }
                })
            .signOn(recording(new ArrayList<>()).then(recording(signOn)))
            .connectors(dispatcher(connectors))
            .build()) {
      EndedSessions one = ended("session", "session-1");
      listeners.forEach(listener -> listener.accept(one));

      assertThat(gateway).isNotNull();
      assertThat(signOn).containsExactly(one);
      assertThat(connectors).containsExactly(one);
    }
  }

  /** A sign-on that keeps what it is told. */
  static SignOn recording(List<EndedSessions> heard) {
    return new SignOn() {
      @Override
      public Verdict signOn(OriginRequest request, Identity identity, Application application) {
        return Verdict.proceed();
      }

      @Override
      public void forget(EndedSessions ended) {
        heard.add(ended);
      }
    };
  }

  private static Dispatcher dispatcher(List<EndedSessions> heard) {
    return new Dispatcher() {
      @Override
      public void publish(Collection<Application> applications) {}

      @Override
      public Dispatch dispatch(Exchange exchange, long pinned, @Nullable String client) {
        throw new AssertionError("no request");
      }

      @Override
      public void forget(EndedSessions ended) {
        heard.add(ended);
      }

      @Override
      public List<EndpointState> endpoints(Application application) {
        return List.of();
      }
    };
  }
}

package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.ConnectHandler;
import io.undertow.server.handlers.ResponseCodeHandler;
import io.undertow.util.Headers;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gateway and connectors as processes, any of which is killed or put to sleep. */
class TwoProcessesIT {
  @TempDir private Path temporary;

  @Test
  void connector_whenKilled_isNotNoticedWhileAnotherServes() throws Exception {
    try (DemoApplication application = DemoApplication.start(0);
        SeparateProcesses processes = new SeparateProcesses(application.url(), temporary)) {
      ExampleProcess first = processes.startConnector();
      ExampleProcess second = processes.startConnector();

      try (BusyUsers users = new BusyUsers(processes.alice(), processes.home)) {
        users.awaitAnswers(300);
        first.kill();
        users.awaitAnswers(600);
        ExampleProcess third = processes.startConnector();
        users.awaitAnswers(300);
        second.kill();
        users.awaitAnswers(600);

        assertThat(third.isAlive()).isTrue();
        users.assertNoFailure("One of two connectors killed, twice");
      }
    }
  }

  @Test
  void connector_serves_throughAProxyThatAsksForCredentials() throws Exception {
    Path credentials = temporary.resolve("credentials");
    DemoSetup.writePrivate(credentials, "user:pass:word\n");
    AtomicInteger connected = new AtomicInteger();
    HttpHandler connecting = new ConnectHandler(ResponseCodeHandler.HANDLE_404);
    Undertow proxy =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setHandler(
                exchange -> {
                  String expected = "Basic dXNlcjpwYXNzOndvcmQ="; // user:pass:word
                  if (expected.equals(
                      exchange.getRequestHeaders().getFirst(Headers.PROXY_AUTHORIZATION))) {
                    connected.incrementAndGet();
                    connecting.handleRequest(exchange);
                  } else {
                    exchange.setStatusCode(407);
                  }
                })
            .build();
    proxy.start();
    try (DemoApplication application = DemoApplication.start(0);
        SeparateProcesses processes = new SeparateProcesses(application.url(), temporary)) {
      InetSocketAddress address = (InetSocketAddress) proxy.getListenerInfo().get(0).getAddress();
      processes.startConnector(
          "", "--proxy=127.0.0.1:" + address.getPort(), "--proxy-credentials-file=" + credentials);

      try (BusyUsers users = new BusyUsers(processes.alice(), processes.home)) {
        users.awaitAnswers(10);
        users.assertNoFailure("A connector behind a proxy");
      }
      assertThat(connected).hasPositiveValue();
    } finally {
      proxy.stop();
    }
  }

  /** As a laptop that is closed, and opened again. */
  @Test
  void connector_whenPaused_isNotNoticedWhileAnotherServes_andComesBack() throws Exception {
    try (DemoApplication application = DemoApplication.start(0);
        SeparateProcesses processes = new SeparateProcesses(application.url(), temporary)) {
      ExampleProcess sleeping = processes.startConnector();
      processes.startConnector();
      try (BusyUsers users = new BusyUsers(processes.alice(), processes.home)) {
        users.awaitAnswers(300);
        Returning returning = new Returning(sleeping);
        sleeping.pause();
        try {
          SeparateProcesses.await(processes.gateway, "does not answer; its connection is closed");
          users.awaitAnswers(300);
        } finally {
          sleeping.resume();
        }
        returning.await();
        users.awaitAnswers(300);
        users.assertNoFailure("One of two connectors asleep, and awake again");
      }
    }
  }

  @Test
  void gateway_whenKilledOrPaused_hasItsConnectorsBackAfterwards() throws Exception {
    try (DemoApplication application = DemoApplication.start(0);
        SeparateProcesses processes = new SeparateProcesses(application.url(), temporary)) {
      ExampleProcess first = processes.startConnector();
      ExampleProcess second = processes.startConnector();
      for (int i = 0; i < 2; i++) {
        Returning returning = new Returning(first, second);
        processes.gateway.kill();
        processes.startGateway();
        returning.await();
        processes.alice();
      }

      Returning returning = new Returning(first, second);
      processes.gateway.pause();
      try {
        SeparateProcesses.await(first, "does not answer any more");
        SeparateProcesses.await(second, "does not answer any more");
      } finally {
        processes.gateway.resume();
      }
      returning.await();
      processes.alice();
    }
  }

  /** Connectors that will say once more that they are connected. */
  private static final class Returning {
    private final Map<ExampleProcess, Integer> before = new HashMap<>();

    Returning(ExampleProcess... connectors) {
      for (ExampleProcess each : connectors) {
        before.put(each, each.count("is connected"));
      }
    }

    void await() throws Exception {
      for (Map.Entry<ExampleProcess, Integer> each : before.entrySet()) {
        SeparateProcesses.until(
            () -> each.getKey().count("is connected") > each.getValue(),
            () -> "a connector that comes back: " + each.getKey().output());
      }
    }
  }
}

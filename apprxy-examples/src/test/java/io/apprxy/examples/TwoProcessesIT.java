package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gateway and connectors as processes, one of which is killed. */
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
        assertThat(users.failures).isEmpty();
      }
    }
  }
}

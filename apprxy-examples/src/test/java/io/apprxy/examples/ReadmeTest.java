package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the README shows is what compiles and runs. */
class ReadmeTest {
  @ParameterizedTest
  @CsvSource({
    "SmallestGateway, 20",
    "SmallestConnector, 10",
    "WhatIf, 50",
    "TomcatExample, 25",
    "JettyExample, 15"
  })
  void snippet_isTheCodeThatCompiles_andIsShort(String example, int limit) throws IOException {
    List<String> source =
        Files.readAllLines(Path.of("src/main/java/io/apprxy/examples", example + ".java"));
    List<String> snippet =
        source.stream()
            .dropWhile(line -> !line.contains("// README:"))
            .skip(1)
            .takeWhile(line -> !line.contains("// README: end"))
            .map(line -> line.substring(Math.min(4, line.length())))
            .toList();

    assertThat(snippet).hasSizeBetween(2, limit - 1);
    assertThat(readme()).contains("```java\n" + String.join("\n", snippet) + "\n```");
  }

  @Test
  void errorTable_namesEveryCode_andNoOther() throws IOException {
    String table =
        Arrays.stream(ErrorCode.values())
            .map(
                code ->
                    "| `%s` | %d | %s | %s |"
                        .formatted(code.code(), code.status(), code.cause(), code.remedy()))
            .collect(Collectors.joining("\n"));

    assertThat(
            readme()
                .lines()
                .filter(line -> line.startsWith("| `APX-"))
                .collect(Collectors.joining("\n")))
        .isEqualTo(table);
  }

  @Test
  void users_areThoseOfTheDemo() throws IOException {
    assertThat(readme())
        .contains(DemoProvider.USERS.stream().map(u -> u.name() + "` / `" + u.password()).toList());
  }

  private static String readme() throws IOException {
    return Files.readString(Path.of("..", "README.md"));
  }
}

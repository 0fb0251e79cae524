package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExchangeTest {
  /** An exchange that knows what it is given, and runs the interface's own methods. */
  private static Exchange exchange(
      String method, String path, @Nullable String query, Map<String, String> headers) {
    Map<String, String> byName = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    byName.putAll(headers);
    InvocationHandler answers =
        (proxy, called, arguments) ->
            switch (called.getName()) {
              case "method" -> method;
              case "scheme" -> "https";
              case "authority" -> "h.test:8443";
              case "path" -> path;
              case "query" -> query;
              case "headers" ->
                  byName.containsKey((String) arguments[0])
                      ? List.of(byName.get((String) arguments[0]))
                      : List.of();
              default -> InvocationHandler.invokeDefault(proxy, called, arguments);
            };
    return (Exchange)
        Proxy.newProxyInstance(
            Exchange.class.getClassLoader(), new Class<?>[] {Exchange.class}, answers);
  }

  private static final String HTML = "text/html,application/xhtml+xml,*/*;q=0.8";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        // method | Sec-Fetch-Mode | Sec-Fetch-Dest | Accept | X-Requested-With | navigation
        "GET  | navigate    | document | text/html | -              | true",
        "GET  | navigate    | -        | */*       | -              | true",
        "HEAD | navigate    | document | text/html | -              | true",
        "POST | navigate    | document | text/html | -              | false",
        "GET  | cors        | empty    | text/html | -              | false",
        "GET  | no-cors     | image    | text/html | -              | false",
        "GET  | same-origin | empty    | */*       | -              | false",
        "GET  | websocket   | -        | text/html | -              | false",
        "GET  | NAVIGATE    | -        | text/html | -              | false",
        "GET  | -           | -        | text/html | -              | true",
        "GET  | -           | -        | text/html | XMLHttpRequest | false",
        "GET  | -           | -        | */*       | -              | false",
        "GET  | -           | -        | -         | -              | false",
        "GET  | -           | -        | application/json | -       | false",
        "PUT  | -           | -        | text/html | -              | false",
        "get  | -           | -        | text/html | -              | false"
      })
  void navigation_isWhatAPersonLooksAt(
      String method,
      @Nullable String mode,
      @Nullable String destination,
      @Nullable String accept,
      @Nullable String with,
      boolean navigation) {
    Map<String, String> headers = new TreeMap<>();
    putIfGiven(headers, "Sec-Fetch-Mode", mode);
    putIfGiven(headers, "Sec-Fetch-Dest", destination);
    putIfGiven(headers, "Accept", accept);
    putIfGiven(headers, "x-requested-with", with);

    assertThat(exchange(method, "/", null, headers).isNavigation()).isEqualTo(navigation);
  }

  private static void putIfGiven(Map<String, String> headers, String name, @Nullable String value) {
    if (value != null) {
      headers.put(name, value);
    }
  }

  @Test
  void url_isTheExternalOne() {
    assertThat(exchange("GET", "/a", "b=c", Map.of()).url()).isEqualTo("https://h.test:8443/a?b=c");
    assertThat(exchange("GET", "/a", "", Map.of()).url()).isEqualTo("https://h.test:8443/a?");
    assertThat(exchange("GET", "/", null, Map.of()).url()).isEqualTo("https://h.test:8443/");
    assertThat(exchange("GET", "/", null, Map.of()).origin()).isEqualTo("https://h.test:8443");
  }

  @ParameterizedTest
  @CsvSource({
    "/.apprxy/, true",
    "/.apprxy/callback, true",
    "/.apprxy, false",
    "/.apprxyx/, false",
    "/a/.apprxy/, false",
    "/.APPRXY/, false"
  })
  void reservedPath_belongsToTheGateway(String path, boolean reserved) {
    assertThat(exchange("GET", path, null, Map.of()).isReserved()).isEqualTo(reserved);
  }

  @Test
  void header_isTheFirstValue() {
    assertThat(exchange("GET", "/", null, Map.of("Accept", HTML)).header("accept")).isEqualTo(HTML);
    assertThat(exchange("GET", "/", null, Map.of()).header("accept")).isNull();
  }
}

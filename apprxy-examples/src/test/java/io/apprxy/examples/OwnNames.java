package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.function.Function;

/** Many users at once, at a page that says who asks. */
final class OwnNames {
  private OwnNames() {}

  /**
   * Each sees their own name only.
   *
   * @param realm of the users, {@code user000} and so on
   * @param request of the user whom the realm knows by this name
   */
  static void assertSeen(
      HttpClient http,
      String realm,
      int users,
      int requests,
      int atOnce,
      Function<String, HttpRequest> request)
      throws InterruptedException {
    Semaphore open = new Semaphore(atOnce);
    List<CompletableFuture<String>> wrong = new ArrayList<>();
    for (int i = 0; i < requests; i++) {
      String user = "user%03d@%s".formatted(i * 7 % users, realm);
      open.acquire();
      wrong.add(
          http.sendAsync(request.apply(user), BodyHandlers.ofString())
              .whenComplete((page, failed) -> open.release())
              .thenApply(
                  page ->
                      page.body().strip().equals("REMOTE_USER=" + user)
                          ? null
                          : user + " saw " + page.statusCode() + " " + page.body()));
    }

    assertThat(wrong.stream().map(CompletableFuture::join).filter(one -> one != null).toList())
        .isEmpty();
  }
}

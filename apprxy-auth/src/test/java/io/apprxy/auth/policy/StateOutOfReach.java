package io.apprxy.auth.policy;

import io.apprxy.cluster.SharedState;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/** A shared state that cannot be reached. */
final class StateOutOfReach implements SharedState {
  private static <T> CompletionStage<T> fails() {
    return CompletableFuture.failedFuture(new IllegalStateException("unreachable"));
  }

  @Override
  public CompletionStage<String> get(String key) {
    return fails();
  }

  @Override
  public CompletionStage<Map<String, String>> entries(String prefix) {
    return fails();
  }

  @Override
  public CompletionStage<Void> put(String key, String value, Duration lifetime) {
    return fails();
  }

  @Override
  public CompletionStage<String> putIfAbsent(String key, String value, Duration lifetime) {
    return fails();
  }

  @Override
  public CompletionStage<Boolean> remove(String key, String value) {
    return fails();
  }

  @Override
  public CompletionStage<Long> increment(String key, Duration lifetime) {
    return fails();
  }

  @Override
  public CompletionStage<Void> publish(String topic, String message) {
    return fails();
  }

  @Override
  public Subscription subscribe(String topic, Consumer<String> listener) {
    return () -> {};
  }

  @Override
  public void close() {}
}

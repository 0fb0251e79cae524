package io.apprxy.balance;

import io.apprxy.LoadBalancing.Algorithm;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Picks one of the endpoints that a request may go to, by the algorithm of the application.
 * Thread-safe; takes no lock.
 */
final class Picker<M extends Member> {
  /** How often an endpoint is drawn before all are looked at. */
  private static final int DRAWS = 4;

  private static final int RESOLUTION = 1 << 20;

  private final Algorithm algorithm;

  /** A random number from 0 to less than its argument. */
  private final IntUnaryOperator random;

  private final AtomicInteger turn = new AtomicInteger();

  Picker(Algorithm algorithm, IntUnaryOperator random) {
    this.algorithm = algorithm;
    this.random = random;
  }

  /** One of the endpoints that may be picked, or null if none may. */
  @Nullable Endpoint<M> pick(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, long key, long now) {
    return switch (algorithm) {
      case LEAST_REQUESTS -> ofTwo(endpoints, may, now);
      case ROUND_ROBIN -> next(endpoints, may, now);
      case WEIGHTED -> weighted(endpoints, may, now);
      case CONSISTENT_HASH -> hashed(endpoints, may, key, now);
    };
  }

  private @Nullable Endpoint<M> ofTwo(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, long now) {
    Endpoint<M> one = draw(endpoints, may, null);
    if (one == null || endpoints.size() == 1) {
      return one;
    }
    Endpoint<M> other = draw(endpoints, may, one);
    return other == null || isBetter(one, other, now) ? one : other;
  }

  private boolean isBetter(Endpoint<M> one, Endpoint<M> other, long now) {
    boolean oneTakesPart = takesPart(one, now);
    if (oneTakesPart != takesPart(other, now)) {
      return oneTakesPart;
    }
    return one.burden() <= other.burden();
  }

  /** Each endpoint with the same probability, but for the one that was drawn before. */
  private @Nullable Endpoint<M> draw(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, @Nullable Endpoint<M> before) {
    for (int i = 0; i < DRAWS && !endpoints.isEmpty(); i++) {
      Endpoint<M> drawn = endpoints.get(random.applyAsInt(endpoints.size()));
      if (drawn != before && may.test(drawn)) {
        return drawn;
      }
    }
    Endpoint<M> chosen = null;
    int seen = 0;
    for (Endpoint<M> endpoint : endpoints) {
      if (endpoint != before && may.test(endpoint) && random.applyAsInt(++seen) == 0) {
        chosen = endpoint;
      }
    }
    return chosen;
  }

  private @Nullable Endpoint<M> next(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, long now) {
    int size = endpoints.size();
    Endpoint<M> passedOver = null;
    for (int i = 0; i < size; i++) {
      Endpoint<M> endpoint = endpoints.get(Math.floorMod(turn.getAndIncrement(), size));
      if (may.test(endpoint)) {
        if (takesPart(endpoint, now)) {
          return endpoint;
        }
        passedOver = endpoint;
      }
    }
    return passedOver;
  }

  private boolean takesPart(Endpoint<M> endpoint, long now) {
    double share = endpoint.share(now);
    return share >= 1 || random.applyAsInt(RESOLUTION) < share * RESOLUTION;
  }

  private @Nullable Endpoint<M> weighted(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, long now) {
    Endpoint<M> chosen = null;
    double seen = 0;
    for (Endpoint<M> endpoint : endpoints) {
      if (may.test(endpoint)) {
        double weight = endpoint.member().weight() * endpoint.share(now);
        seen += weight;
        if (random.applyAsInt(RESOLUTION) < weight / seen * RESOLUTION) {
          chosen = endpoint;
        }
      }
    }
    return chosen;
  }

  /** Rendezvous hashing with weights: of the scores that a key gives, the highest one wins. */
  private @Nullable Endpoint<M> hashed(
      List<Endpoint<M>> endpoints, Predicate<Endpoint<M>> may, long key, long now) {
    Endpoint<M> best = null;
    double bestScore = 0;
    for (Endpoint<M> endpoint : endpoints) {
      if (may.test(endpoint)) {
        double score =
            endpoint.member().weight()
                * endpoint.share(now)
                / -Math.log(unit(mix(key ^ endpoint.hash())));
        if (best == null || score > bestScore) {
          best = endpoint;
          bestScore = score;
        }
      }
    }
    return best;
  }

  /** Between 0 and 1, and neither of them. */
  private static double unit(long hash) {
    return ((hash >>> 11) + 0.5) * 0x1.0p-53;
  }

  /** The finalizer of SplitMix64: every bit of the input changes half of the output. */
  static long mix(long bits) {
    long z = bits;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  static long key(String text) {
    long hash = 0xcbf29ce484222325L; // FNV-1a
    for (int i = 0; i < text.length(); i++) {
      hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
    }
    return mix(hash);
  }
}

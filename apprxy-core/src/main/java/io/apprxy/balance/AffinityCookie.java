package io.apprxy.balance;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.apprxy.Application;
import io.apprxy.Application.OriginInstance;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The cookie that pins a user to a connector and an origin instance of one application. It holds a
 * tag of 8 bytes for each, which tells outsiders nothing, and their HMAC with the application's id.
 * What is not of ours, of another application, or not whole is ignored. Immutable. For the engine.
 */
public final class AffinityCookie {
  /** Behind a prefix that user agents let nobody else set, and that reaches no origin. */
  private static final String NAME = "__Host-apprxy-pin-";

  /** No connector, or no instance. */
  private static final long NONE = 0;

  private static final int TAGS = 2 * Long.BYTES;
  private static final int BYTES = TAGS + 32;
  private static final int LENGTH = (BYTES * 4 + 2) / 3;

  private final AffinityKeys keys;
  private final String name;
  private final byte[] context;

  /** For each key the tags of the instances. */
  private final List<Map<Long, String>> instances = new ArrayList<>();

  private final Map<String, Long> newestTags = new HashMap<>();

  /**
   * What a cookie says.
   *
   * @param connector the {@link #tag} of the connector; 0 for none
   * @param instance the origin instance; null for none, or one that is configured no more
   * @param isCurrent whether the newest key has signed it
   */
  public record Pin(long connector, @Nullable String instance, boolean isCurrent) {}

  /** The cookie of an application. */
  public AffinityCookie(Application application, AffinityKeys keys) {
    this.keys = keys;
    this.name = NAME + application.id();
    this.context = ("apprxy affinity 1\0" + application.id() + "\0").getBytes(UTF_8);
    for (int key = 0; key < keys.count(); key++) {
      Map<Long, String> tags = new HashMap<>();
      for (OriginInstance instance : application.allOriginInstances()) {
        String id = instance.origin();
        long tag = instanceTag(key, id);
        tags.put(tag, id);
        if (key == 0) {
          newestTags.put(id, tag);
        }
      }
      instances.add(tags);
    }
  }

  /** Signed, so that nobody can try out which host is behind it. */
  private long instanceTag(int key, String id) {
    byte[] tag = keys.sign(key, context, ("instance\0" + id).getBytes(UTF_8));
    return ByteBuffer.wrap(tag).getLong();
  }

  /** Stands for a connector: a hash of its id, which is random. */
  public static long tag(String connector) {
    return Endpoint.hash(connector);
  }

  /** The name of the cookie. */
  public String name() {
    return name;
  }

  /** What the cookie says; null if there is none, or if it is not one of ours. */
  public @Nullable Pin read(@Nullable String value) {
    if (value == null || value.length() != LENGTH) {
      return null;
    }
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(value);
    } catch (IllegalArgumentException e) {
      return null;
    }
    byte[] tags = Arrays.copyOf(bytes, TAGS);
    byte[] signature = Arrays.copyOfRange(bytes, TAGS, bytes.length);
    for (int key = 0; key < keys.count(); key++) {
      if (MessageDigest.isEqual(keys.sign(key, context, tags), signature)) {
        ByteBuffer both = ByteBuffer.wrap(tags);
        return new Pin(both.getLong(), instances.get(key).get(both.getLong()), key == 0);
      }
    }
    return null;
  }

  /**
   * The {@code Set-Cookie} line for a user, who is pinned as long as the browser is open.
   *
   * @param connector the {@link #tag} of the connector; 0 for none
   * @param instance the origin instance; null for none. One that is not the application's is none
   */
  public String write(long connector, @Nullable String instance) {
    Long instanceTag = instance == null ? null : newestTags.get(instance);
    byte[] tags =
        ByteBuffer.allocate(TAGS)
            .putLong(connector)
            .putLong(instanceTag == null ? NONE : instanceTag)
            .array();
    byte[] signed = ByteBuffer.allocate(BYTES).put(tags).put(keys.sign(0, context, tags)).array();
    return name
        + "="
        + Base64.getUrlEncoder().withoutPadding().encodeToString(signed)
        + "; Path=/; Secure; HttpOnly; SameSite=Lax";
  }
}

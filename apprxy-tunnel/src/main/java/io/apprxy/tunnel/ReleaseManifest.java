package io.apprxy.tunnel;

import io.apprxy.tunnel.UpdateException.Reason;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Collection;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a release is. There is no way to read one but {@link #verify}: nothing in it is believed
 * before its signature is. Immutable.
 *
 * @param file where the file is, relative to the manifest
 * @param sha256 of the file, in lower-case hexadecimal digits
 * @param java the least version of Java that runs it
 * @param expires until when the manifest is good, so that an old one cannot be sent for ever
 */
record ReleaseManifest(
    Version version, String file, long size, String sha256, int java, Instant expires) {
  static final int SIGNATURE_BYTES = 64; // RFC 8032 §5.1.6

  /** Segments that begin with a letter or digit: neither absolute, nor {@code ..}, nor a host. */
  private static final Pattern FILE =
      Pattern.compile("[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*");

  private static final int MAX_FILE_LENGTH = 255;
  private static final Pattern SHA_256 = Pattern.compile("[0-9a-f]{64}");

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /**
   * Reads a manifest that one of the keys has signed.
   *
   * @param manifest the bytes that were signed
   * @param signature Ed25519 (RFC 8032), 64 bytes
   * @throws UpdateException if no key has signed it, or it is none
   */
  static ReleaseManifest verify(byte[] manifest, byte[] signature, Collection<PublicKey> keys)
      throws UpdateException {
    // The JDK looks at the first 64 bytes only.
    if (signature.length != SIGNATURE_BYTES
        || keys.stream().noneMatch(key -> isSigned(manifest, signature, key))) {
      throw new UpdateException(
          Reason.SIGNATURE,
          "none of the pinned keys has signed the manifest: find out who changed it before you update");
    }
    try {
      return parse(new String(manifest, StandardCharsets.UTF_8));
    } catch (JacksonException | IllegalArgumentException | DateTimeParseException e) {
      throw new UpdateException(
          Reason.MANIFEST, "the manifest is signed, but is none: " + e.getMessage(), e);
    }
  }

  private static boolean isSigned(byte[] manifest, byte[] signature, PublicKey key) {
    try {
      Signature check = Signature.getInstance("Ed25519");
      check.initVerify(key);
      check.update(manifest);
      return check.verify(signature);
    } catch (SignatureException e) {
      return false; // it has not even the form of one
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no Ed25519", e);
    }
  }

  private static ReleaseManifest parse(String json) {
    JsonNode whole = JSON.readTree(json);
    String version = Wire.text(whole.required("version"));
    String file = Wire.text(whole.required("file"));
    String name = file.substring(file.lastIndexOf('/') + 1);
    require(FILE.matcher(file).matches() && file.length() <= MAX_FILE_LENGTH, "file", file);
    // So that no release is ever written over another.
    require(name.contains(version), "the name of the file lacks the version", file);
    long size = whole.required("size").longValue();
    require(size > 0, "size", size);
    String sha256 = Wire.text(whole.required("sha256"));
    require(SHA_256.matcher(sha256).matches(), "sha256", sha256);
    int java = whole.required("java").intValue();
    Instant expires = Instant.parse(Wire.text(whole.required("expires")));
    return new ReleaseManifest(new Version(version), file, size, sha256, java, expires);
  }

  private static void require(boolean right, String what, Object value) {
    if (!right) {
      throw new IllegalArgumentException(what + ": " + value);
    }
  }

  /** What the file is called, without where it is. */
  String fileName() {
    return file.substring(file.lastIndexOf('/') + 1);
  }
}

package io.apprxy.auth.policy;

import java.net.InetAddress;

/**
 * Tells the country of an address, such as {@link MaxMindCountries} does. Called on an I/O thread
 * by many requests at once: thread-safe, and never blocking. If it throws, the country counts as
 * missing: no location of countries then lets anybody out of a policy.
 */
@FunctionalInterface
public interface CountryLookup {
  /** What is told of an address that is of no known country (CLDR's unknown territory). */
  String UNKNOWN = "ZZ";

  /** The country by ISO 3166-1 alpha-2, or {@link #UNKNOWN}. */
  String country(InetAddress address);
}

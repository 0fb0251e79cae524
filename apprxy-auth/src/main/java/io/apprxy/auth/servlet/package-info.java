/**
 * Filters of {@code jakarta.servlet}: {@link io.apprxy.auth.servlet.PreAuthenticationFilter} does
 * in an application what a gateway does before it, {@link
 * io.apprxy.auth.servlet.VerifiedIdentityFilter} takes the identity that a gateway vouches for.
 */
@NullMarked
package io.apprxy.auth.servlet;

import org.jspecify.annotations.NullMarked;

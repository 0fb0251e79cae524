/**
 * Sign-in with an OpenID Connect provider. Start with {@link
 * io.apprxy.auth.oidc.OidcPreAuthentication}.
 */
@NullMarked
package io.apprxy.auth.oidc;

import org.jspecify.annotations.NullMarked;

/** Who may use an application. */
@NullMarked
package io.apprxy.auth.policy;

import org.jspecify.annotations.NullMarked;

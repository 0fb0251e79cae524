/**
 * Who may use an application, and when: {@link io.apprxy.auth.policy.AssignmentPolicy} by
 * assignment alone, {@link io.apprxy.auth.policy.ConditionalAccess} by {@link
 * io.apprxy.auth.policy.Policy policies}, too.
 */
@NullMarked
package io.apprxy.auth.policy;

import org.jspecify.annotations.NullMarked;

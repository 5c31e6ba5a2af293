// What pg_ark restore tells of its plan and its work.
#pragma once

#include <iosfwd>

#include "physical/restore_cluster.h"
#include "physical/restore_rate.h"

namespace ark::cli {

Json SpaceToJson(const ClusterRestorePlan &plan);
Json TablespacesToJson(const ClusterRestorePlan &plan);
void TellWork(const ClusterRestored &work, Json &result);
// How long it takes to write so many bytes at that rate, after `before`.
void TellEstimate(std::uint64_t bytes, Duration before, const RestoreRate &rate, Json &result);
// Before anything is done, and after all is.
void WarnOfNewerTablespaces(const Manifest &backup, const ClusterRestorePlan &plan, Json &warnings);
void WarnOfWhatIsLeft(const ClusterRestore &request, const ClusterRestored &restored, Json &warnings);

void PrintWork(const Json &result, std::ostream &out);
void PrintEstimate(const Json &result, std::ostream &out);

}    // namespace ark::cli

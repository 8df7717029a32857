#include "tidelock/sql/bulk_writer.h"

#include "tidelock/base/error.h"
#include "tidelock/sql/link.h"

namespace tidelock::sql {

BulkWriter::~BulkWriter() {
  if (link_ != nullptr) link_->bulk_drop(execution_);
}

void BulkWriter::append_values(const Values& row) {
  if (link_ == nullptr) throw Error(Code::misuse, "a bulk writer was used after its end");
  link_->bulk_append(execution_, row);
}

std::int64_t BulkWriter::finish() {
  if (link_ == nullptr) throw Error(Code::misuse, "a bulk writer was used after its end");
  const auto rows = link_->bulk_finish(execution_);
  link_ = nullptr;
  return rows;
}

}  // namespace tidelock::sql

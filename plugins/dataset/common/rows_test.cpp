#include "plugins/dataset/common/rows.h"

#include <gtest/gtest.h>

namespace corral::data {
namespace {
using Ids = std::vector<int32_t>;

struct Row {
  Ids tokens, targets, positions, first_key;
};

Row row_of(const Rows& rows, uint64_t row, size_t length) {
  Row out{Ids(length), Ids(length), Ids(length), Ids(length)};
  rows.fill(row, {out.tokens, out.targets, out.positions, out.first_key});
  return out;
}

StreamRows stream(const Ids& ids, uint64_t seq_length) {
  StreamRows rows;
  rows.stream.append(ids);
  rows.seq_length = seq_length;
  rows.end_of_text = 9;
  return rows;
}

TEST(StreamRows, AreCutSoThatEveryTokenButTheFirstIsATargetOnce) {
  const StreamRows rows = stream({1, 2, 3, 4, 5, 6, 7}, 3);
  ASSERT_EQ(rows.rows(), 2u);
  EXPECT_EQ(row_of(rows, 0, 3).tokens, (Ids{1, 2, 3}));
  EXPECT_EQ(row_of(rows, 0, 3).targets, (Ids{2, 3, 4}));
  EXPECT_EQ(row_of(rows, 1, 3).tokens, (Ids{4, 5, 6}));
  EXPECT_EQ(row_of(rows, 1, 3).targets, (Ids{5, 6, 7}));
}

TEST(StreamRows, LeaveOutWhatDoesNotFillARow) {
  EXPECT_EQ(stream({1, 2, 3, 4, 5, 6}, 3).rows(), 1u);
  EXPECT_EQ(stream({1, 2, 3, 4}, 3).rows(), 1u);
  EXPECT_EQ(stream({1, 2, 3}, 3).rows(), 0u);
  EXPECT_EQ(stream({}, 3).rows(), 0u);
}

TEST(StreamRows, KeepThePaddedTailWhenAsked) {
  StreamRows rows = stream({1, 2, 3, 4, 5}, 3);
  rows.keep_tail = true;
  ASSERT_EQ(rows.rows(), 2u);
  EXPECT_EQ(row_of(rows, 1, 3).tokens, (Ids{4, 5, 0}));
  EXPECT_EQ(row_of(rows, 1, 3).targets, (Ids{5, kNoTarget, kNoTarget}));
}

TEST(StreamRows, LetDocumentsSeeEachOtherUnlessPositionsAreReset) {
  StreamRows rows = stream({1, 2, 9, 3, 9, 4, 5}, 6);
  EXPECT_EQ(row_of(rows, 0, 6).positions, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(row_of(rows, 0, 6).first_key, (Ids{0, 0, 0, 0, 0, 0}));
  rows.reset_positions = true;
  EXPECT_EQ(row_of(rows, 0, 6).tokens, (Ids{1, 2, 9, 3, 9, 4}));
  EXPECT_EQ(row_of(rows, 0, 6).targets, (Ids{2, 9, 3, 9, 4, 5}));
  EXPECT_EQ(row_of(rows, 0, 6).positions, (Ids{0, 1, 2, 0, 1, 0}));
  EXPECT_EQ(row_of(rows, 0, 6).first_key, (Ids{0, 0, 0, 3, 3, 5}));
}

TEST(StreamRows, HoldIdsAboveTwoBytes) {
  StreamRows rows;
  rows.stream = TokenStore(false);
  rows.stream.append(Ids{70000, 128001});
  rows.seq_length = 1;
  EXPECT_EQ(row_of(rows, 0, 1).targets, (Ids{128001}));
}

GivenRows given(const Ids& ids, const Ids& labels) {
  TokenStore store;
  store.append(Ids{42});  // the rows begin inside a block
  store.append(ids);
  GivenRows rows;
  rows.add(store, 1, ids.size(), labels);
  return rows;
}

TEST(GivenRows, MoveLabelsByOneSinceTheyBelongToTheirOwnToken) {
  const Row row = row_of(given({5, 6, 7, 8}, {-100, 6, -100, 3}), 0, 6);
  EXPECT_EQ(row.tokens, (Ids{5, 6, 7, 8, 0, 0}));
  EXPECT_EQ(row.targets, (Ids{6, kNoTarget, 3, kNoTarget, kNoTarget, kNoTarget}));
  EXPECT_EQ(row.positions, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(row.first_key, Ids(6, 0));
}

TEST(GivenRows, WithoutLabelsMakeEveryTokenButTheFirstATarget) {
  EXPECT_EQ(row_of(given({5, 6, 7}, {}), 0, 4).targets, (Ids{6, 7, kNoTarget, kNoTarget}));
}

TEST(GivenRows, MayFillTheWholeSequence) {
  const Row row = row_of(given({5, 6, 7}, {}), 0, 3);
  EXPECT_EQ(row.tokens, (Ids{5, 6, 7}));
  EXPECT_EQ(row.targets, (Ids{6, 7, kNoTarget}));
}
}  // namespace
}  // namespace corral::data
